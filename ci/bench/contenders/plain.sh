# What everybody tries first; it cannot see a push.
docker compose build $PUSH
[ -z "$UP" ] || docker compose up --detach --wait
