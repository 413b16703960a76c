//! Reports against the schema that is published for them.

use serde_json::Value;

use crate::support::World;

/// The published schema.
pub(crate) fn published() -> Value {
    serde_json::from_str(include_str!("../../../../docs/report.schema.json")).unwrap()
}

/// What is wrong with a value, by the words of JSON Schema that the published one uses; others are refused.
pub(crate) fn faults(value: &Value, schema: &Value, root: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let wrong = |what: &str| vec![format!("{at}: {what}: {value}")];
    for (word, rule) in schema.as_object().unwrap() {
        found.extend(match word.as_str() {
            "$schema" | "$defs" | "title" | "description" => Vec::new(),
            "$ref" => faults(value, root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap(), root, at),
            "anyOf" if rule.as_array().unwrap().iter().any(|one| faults(value, one, root, at).is_empty()) => Vec::new(),
            "anyOf" => wrong("none of the forms"),
            "const" if value == rule => Vec::new(),
            "enum" if rule.as_array().unwrap().contains(value) => Vec::new(),
            "const" | "enum" => wrong("another value"),
            "minimum" if value.as_i64() >= rule.as_i64() || value.as_u64().is_some() => Vec::new(),
            "minimum" => wrong("too small"),
            "type" if is(value, rule.as_str().unwrap()) => Vec::new(),
            "type" => wrong("another type"),
            "required" => {
                let missing =
                    rule.as_array().unwrap().iter().filter(|name| value.get(name.as_str().unwrap()).is_none());
                missing.map(|name| format!("{at}: {name} is missing")).collect()
            }
            "properties" => {
                let known = rule.as_object().unwrap();
                let fields = value.as_object().into_iter().flatten();
                let fault = |(name, field): (&String, &Value)| match known.get(name) {
                    Some(rule) => faults(field, rule, root, &format!("{at}.{name}")),
                    None => vec![format!("{at}.{name} is not described")],
                };
                fields.flat_map(fault).collect()
            }
            "items" => value.as_array().into_iter().flatten().flat_map(|item| faults(item, rule, root, at)).collect(),
            other => panic!("the schema uses `{other}`"),
        });
    }
    found
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the schema has the type `{other}`"),
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let schema = published();
    let world = World::built();
    let report = world.report();
    assert_eq!(faults(&report, &schema, &schema, "report"), [""; 0]);
    let spoil: [fn(&mut Value); 5] = [
        |report| report["total_ms"] = (-1).into(),
        |report| report["steps"][0]["cause"] = "because".into(),
        |report| drop(report.as_object_mut().unwrap().remove("figures")),
        |report| report["services"][0]["more"] = 1.into(),
        |report| report["schema"] = 2.into(),
    ];
    for change in spoil {
        let mut spoiled = report.clone();
        change(&mut spoiled);
        assert_eq!(faults(&spoiled, &schema, &schema, "report").len(), 1, "{spoiled:#}");
    }
}
