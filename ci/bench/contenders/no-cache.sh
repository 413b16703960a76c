# What the documentation of Docker says when a clone is stale: build everything again.
docker compose build --no-cache $PUSH
