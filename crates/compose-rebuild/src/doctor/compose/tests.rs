//! Each check finds its fault, and nothing where there is none.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::doctor::Severity;
use crate::project::Built;

const DOCKERFILE: &str = "FROM a AS model\nRUN x\nFROM a AS app\nARG GITHUB_REPO=https://h/default\n\
    ARG GITHUB_BRANCH=main\nARG GITHUB_COMMIT\nARG CACHE_BUST=unknown\nRUN x\nFROM app AS builder\nCOPY --from=model / /\n";

/// The project of these services, as Compose would print it.
fn project(services: &Value, extensions: &Value) -> Project {
    let mut built = BTreeMap::new();
    for (name, service) in services.as_object().expect("services") {
        let Some(build) = service["build"].as_object() else { continue };
        let mut target = build.clone();
        let args = build.get("args").and_then(Value::as_object).cloned().unwrap_or_default();
        let args: Map<String, Value> = args.into_iter().filter(|(_, value)| value.is_string()).collect();
        target.insert("args".to_owned(), args.into());
        target.insert("tags".to_owned(), json!([service["image"].as_str().unwrap_or("i")]));
        let (Ok(mut one), Ok(name)) = (Built::parse(name, &target.into()), name.parse()) else { continue };
        one.keep = extensions[crate::value::Service::as_str(&name)]["keep"] == true;
        one.read_dockerfile(DOCKERFILE);
        built.insert(name, one);
    }
    Project { name: "p".parse().expect("name"), services: built, extension: Value::Null }
}

fn found(services: &Value, extensions: &Value) -> Vec<Finding> {
    let project = project(services, extensions);
    check(&project, &Files::default(), &Names::of(&Default::default()))
}

#[track_caller]
fn assert_found(services: Value, expected: &[&str]) {
    let findings = found(&services, &json!({}));
    for finding in &findings {
        assert!(finding.why.ends_with('.') && !finding.cure.is_empty(), "{finding:?}");
    }
    assert_eq!(findings.iter().map(|finding| finding.check).collect::<Vec<_>>(), expected, "{findings:#?}");
}

fn service(target: &str, args: Value) -> Value {
    json!({"image": format!("i:{target}"), "build": {"context": "/p", "target": target, "args": args}})
}

fn all(repository: &str) -> Value {
    json!({"GITHUB_REPO": repository, "GITHUB_BRANCH": "main", "GITHUB_COMMIT": "", "CACHE_BUST": "unknown"})
}

#[test]
fn services_that_agree_are_healthy() {
    let args = all("https://h/x");
    assert_found(
        json!({"m": service("model", args.clone()), "a": service("app", args.clone()), "b": service("builder", args)}),
        &[],
    );
    assert_found(json!({"redis": {"image": "redis"}, "x": {"build": {"context": "/p/x", "target": "model"}}}), &[]);
}

#[test]
fn services_that_disagree_are_found() {
    let two = |args: Value| json!({"a": service("app", all("https://h/x")), "b": service("builder", args)});
    assert_found(two(all("https://h/y")), &["services-disagree"]);
    // Nothing passed: the Dockerfile's default counts.
    assert_found(two(json!({"GITHUB_BRANCH": "main", "GITHUB_COMMIT": "", "CACHE_BUST": "x"})), &["services-disagree"]);
    let mut dev = all("https://h/x");
    dev["GITHUB_BRANCH"] = json!("dev");
    assert_found(two(dev), &["services-disagree"]);
    // The same by accident.
    let mut without = all("https://h/x");
    without.as_object_mut().expect("object").remove("GITHUB_BRANCH");
    assert_found(two(without), &["argument-not-passed"]);
}

#[test]
fn the_bust_is_given_to_all_that_take_it() {
    let mut without = all("https://h/x");
    without.as_object_mut().expect("object").remove("CACHE_BUST");
    let services = |a: &Value| json!({"a": service("app", a.clone()), "b": service("builder", without.clone())});
    assert_found(services(&all("https://h/x")), &["bust-not-passed"]);
    // The tool gives it to all then.
    assert_found(services(&without), &[]);
}

#[test]
fn a_kept_service_takes_no_code() {
    let kept = |target: &str| {
        let services = json!({"m": service(target, all("https://h/x"))});
        let findings = found(&services, &json!({"m": {"keep": true}}));
        findings.into_iter().map(|finding| finding.check).collect::<Vec<_>>()
    };
    assert_eq!(kept("builder"), ["kept-takes-bust"]);
    assert_eq!(kept("model"), [""; 0]);
}

#[test]
fn two_services_need_two_images() {
    let same = |image: &str| json!({"image": image, "build": {"context": "/p", "target": "model"}});
    assert_found(json!({"a": same("i"), "b": same("i:latest")}), &["same-image"]);
    assert_found(json!({"a": same("h:5000/i"), "b": same("h:5000/i:latest")}), &["same-image"]);
    assert_found(json!({"a": same("i:1"), "b": same("i:2")}), &[]);
}

#[test]
fn bad_values_and_secrets_are_found_once() {
    let with = |name: &str, value: &str| {
        let mut args = all("https://h/x");
        args[name] = json!(value);
        json!({"a": service("app", args.clone()), "b": service("builder", args)})
    };
    for (name, value) in [
        ("GITHUB_REPO", "ext::sh"),
        ("GITHUB_REPO", "https://u:p@h/x"),
        ("GITHUB_BRANCH", "--upload-pack=x"),
        ("GITHUB_COMMIT", "abc"),
        ("CACHE_BUST", "$(date)"),
    ] {
        assert_found(with(name, value), &["bad-value"]);
    }
    for (name, value) in [("HF_TOKEN", "x"), ("API_KEY", "x"), ("INDEX", "https://u:canary@h/x")] {
        assert_found(with(name, value), &["secret-argument", "argument-not-taken"]);
    }
    for (name, value) in [("HF_TOKEN", ""), ("CACHE_KEY", "x"), ("INDEX", "https://h/x"), ("INDEX", "https://git@h/x")]
    {
        assert_found(with(name, value), &["argument-not-taken"]);
    }
}

#[test]
fn an_argument_that_no_stage_takes_is_found() {
    let given = |name: &str| {
        let mut args = all("https://h/x");
        args[name] = json!("x");
        let findings = found(&json!({"a": service("app", args.clone()), "b": service("builder", args)}), &json!({}));
        findings.into_iter().map(|one| (one.severity, one.check, one.cure)).collect::<Vec<_>>()
    };
    let slip = given("GITHUB_BRANH");
    assert_eq!(slip, [(Severity::Error, "argument-not-taken", "write `GITHUB_BRANCH`".to_owned())]);
    assert_eq!(given("COLOUR")[0].0, Severity::Warning);
    for fine in ["HTTP_PROXY", "BUILDKIT_INLINE_CACHE", "CACHE_BUST"] {
        assert_eq!(given(fine), [], "{fine}");
    }
    // A model takes none of them, and the anchor gives them to all.
    let mut services = json!({"m": service("model", all("https://h/x")), "a": service("app", all("https://h/x"))});
    assert_eq!(found(&services, &json!({})), []);
    services["a"]["build"]["target"] = json!("model");
    assert_eq!(found(&services, &json!({})), []);
}

proptest! {
    #[test]
    fn no_answer_makes_the_checks_panic(text in "\\PC{0,200}", key in "\\PC{0,5}") {
        let services = json!({"a": service(&key, json!({"A": text, "GITHUB_REPO": text, "B": null})), "b": {"build": text},
            "c": {"build": {}, "image": text}, &key: {"privileged": [1], "build": {"entitlements": text}}});
        let project = project(&services, &Value::Null);
        let compose = format!("services:\n  a:\n    {text}\n  {key}: {{}}\n");
        let files = Files(vec![(key.clone(), text.clone()), ("x".to_owned(), compose)]);
        check(&project, &files, &Names::of(&Default::default()));
    }
}
