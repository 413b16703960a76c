use super::*;

use proptest::prelude::*;

fn version(text: &str) -> Version {
    text.parse().expect("version")
}

/// All names of a version: its own, its lines, and `latest`.
fn all(of: &str, existing: &[&str]) -> String {
    let existing: Vec<_> = existing.iter().map(|text| version(text)).collect();
    let ReleaseNames { own, lines, latest } = names(&version(of), &existing);
    let latest = latest.then(|| "latest".to_owned());
    [vec![own], lines, latest.into_iter().collect()].concat().join(" ")
}

#[test]
fn every_version_line_has_exactly_its_tags() {
    for (of, existing, wanted) in [
        // The first one, and the next of the same line.
        ("1.2.3", &[][..], "1.2.3 1.2 1 latest"),
        ("1.2.4", &["1.2.3"], "1.2.4 1.2 1 latest"),
        ("1.3.0", &["1.2.4"], "1.3.0 1.3 1 latest"),
        ("2.0.0", &["1.3.0"], "2.0.0 2.0 2 latest"),
        // 0.x: no line `0`.
        ("0.1.0", &[], "0.1.0 0.1 latest"),
        ("0.2.0", &["0.1.0", "0.1.9"], "0.2.0 0.2 latest"),
        ("0.1.10", &["0.1.9", "0.2.0"], "0.1.10 0.1"),
        ("0.0.1", &[], "0.0.1 0.0 latest"),
        // A patch of an older line.
        ("1.2.5", &["1.2.4", "1.3.0"], "1.2.5 1.2"),
        ("1.2.5", &["1.2.4", "2.0.0"], "1.2.5 1.2 1"),
        ("1.2.5", &["1.2.4", "1.3.0", "2.0.0"], "1.2.5 1.2"),
        ("1.2.4", &["1.2.5"], "1.2.4"),
        ("1.10.0", &["1.9.0"], "1.10.0 1.10 1 latest"),
        // A pre-release has its own name only, and holds no other back.
        ("1.3.0-rc.1", &["1.2.4"], "1.3.0-rc.1"),
        ("0.1.0-alpha", &[], "0.1.0-alpha"),
        ("1.2.5", &["1.2.4", "1.3.0-rc.1", "2.0.0-beta"], "1.2.5 1.2 1 latest"),
        ("1.3.0", &["1.3.0-rc.1"], "1.3.0 1.3 1 latest"),
        // Build metadata: `+` cannot be in a tag.
        ("1.2.3+build.5", &[], "1.2.3_build.5 1.2 1 latest"),
        ("1.2.3+build.6", &["1.2.3+build.5"], "1.2.3_build.6 1.2 1 latest"),
        ("1.2.3+build.4", &["1.2.3+build.5"], "1.2.3_build.4"),
        ("1.2.3-rc.1+x-y", &[], "1.2.3-rc.1_x-y"),
        // Its own tag, when it is gone on with.
        ("1.2.3", &["1.2.3"], "1.2.3 1.2 1 latest"),
    ] {
        assert_eq!(all(of, existing), wanted, "{of} beside {existing:?}");
    }
}

#[test]
fn a_tag_of_a_release_is_known_again() {
    let image = |text: &str| text.parse::<ImageRef>().expect("name");
    let of = |tag, mutable| version_of(&image(tag), &image(mutable)).map(|version| version.to_string());
    assert_eq!(of("a:1.2.3", "a").as_deref(), Some("1.2.3"));
    assert_eq!(of("a:1.2.3_build.5", "a").as_deref(), Some("1.2.3+build.5"));
    assert_eq!(of("a:web-1.2.3-rc.1", "a:web").as_deref(), Some("1.2.3-rc.1"));
    for (tag, mutable) in [
        ("a:1.2", "a"),
        ("a:latest", "a"),
        ("b:1.2.3", "a"),
        ("a:1.2.3", "a:web"),
        ("a:web-1.2.3", "a"),
        ("a:v1.2.3-aaa", "a"),
    ] {
        assert_eq!(of(tag, mutable), None, "{tag} beside {mutable}");
    }
}

fn versions() -> impl Strategy<Value = Version> {
    let pre = prop_oneof![4 => Just(""), 1 => Just("-rc.1"), 1 => Just("-alpha")];
    let build = prop_oneof![4 => Just(""), 1 => Just("+b.1"), 1 => Just("+b.2")];
    (0..3_u64, 0..3_u64, 0..3_u64, pre, build)
        .prop_map(|(major, minor, patch, pre, build)| version(&format!("{major}.{minor}.{patch}{pre}{build}")))
}

proptest! {
    /// Whatever order versions are released in, every name ends at the newest version that it can mean.
    #[test]
    fn names_end_at_the_newest_of_their_line(mut order in prop::collection::vec(versions(), 1..20)) {
        let mut seen = std::collections::HashSet::new();
        order.retain(|version| seen.insert(version.clone()));
        let mut points: BTreeMap<String, Version> = BTreeMap::new();
        for (number, version) in order.iter().enumerate() {
            let ReleaseNames { own, lines, latest } = names(version, &order[..number]);
            prop_assert!(points.insert(own, version.clone()).is_none(), "a name that never moves moved");
            let latest = latest.then(|| "latest".to_owned());
            for name in lines.into_iter().chain(latest) {
                points.insert(name, version.clone());
            }
        }
        for (name, at) in points.iter().filter(|(name, _)| name.split('.').count() < 3) {
            prop_assert!(at.pre.is_empty(), "{name} is at a pre-release");
            prop_assert!(name != "0");
            let of_line = |other: &&Version| {
                let line = [format!("{}.{}", other.major, other.minor), other.major.to_string(), "latest".to_owned()];
                other.pre.is_empty() && line.contains(name)
            };
            prop_assert_eq!(order.iter().filter(of_line).max(), Some(at), "{}", name);
        }
    }
}
