# This tool.
cd "$ROOT"
exec cargo xtask rebuild $PUSH --message-format json -f "$PROJECT/compose.yml"
