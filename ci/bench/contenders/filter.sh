# What a reader of buildx's manual finds: only the stage that clones is built again, and what its files changed.
docker buildx bake --file compose.yml --set '*.no-cache-filter=source'
