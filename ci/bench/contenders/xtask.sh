# This tool.
cd "$ROOT"
exec cargo xtask rebuild $PUSH $UP --message-format json -f "$PROJECT/compose.yml"
