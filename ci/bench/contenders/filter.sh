# What a reader of buildx's manual finds: only the stage that clones is built again, and what its files changed.
# `--set '*.no-cache-filter=source'` would be shorter, but buildx 0.29 ignores it without a word.
for service in $SERVICES; do
    printf 'target "%s" { no-cache-filter = ["source"] }\n' "$service"
done > filter.hcl
docker buildx bake $PUSH --file compose.yml --file filter.hcl
