# This tool.
cd "$ROOT"
exec cargo xtask rebuild --message-format json -f "$PROJECT/compose.yml"
