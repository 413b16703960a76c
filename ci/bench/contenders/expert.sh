# The expert: the same stages with expert.Dockerfile as the stage `source`. BuildKit asks the remote for every build.
docker compose build $PUSH
[ -z "$UP" ] || docker compose up --detach --wait
