# The old script: a timestamp busts the cache of every clone, and one service is built after the other. With script.Dockerfile.
CACHE_BUST=$(date +%s%N)
export CACHE_BUST
for service in $SERVICES; do docker compose build $PUSH "$service"; done
