//! Grammars against the ones of their owners.

use compose_rebuild::value::{CacheBust, Commit, GitRef, GitUrl, ImageRef, Service};
use proptest::collection::vec;
use proptest::prelude::*;
use regex_lite::Regex;

/// `TagRegexp` of distribution/reference.
const TAG: &str = r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}";
/// `anchoredReference` of distribution/reference without a digest: domain, path, tag.
const REFERENCE: &str = r"^(?:(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$";

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap()
}

/// Short texts of the characters that matter, so that both sides of a grammar are met often.
fn near_a_tag() -> impl Strategy<Value = String> {
    prop_oneof![
        vec(prop::sample::select("aZ09_.-:/$%{}() \n\u{1b}é".chars().collect::<Vec<_>>()), 0..6)
            .prop_map(|chars| chars.into_iter().collect()),
        "[a-zA-Z0-9_.-]{100,140}",
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_bust_value_is_exactly_an_image_tag(text in near_a_tag()) {
        let is_tag = regex(&format!("^(?:{TAG})$")).is_match(&text) && !text.ends_with('\n');
        prop_assert_eq!(text.parse::<CacheBust>().is_ok(), is_tag, "{:?}", text);
    }

    #[test]
    fn every_tag_of_the_grammar_is_a_bust_value(text in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}") {
        prop_assert!(text.parse::<CacheBust>().is_ok());
    }

    #[test]
    fn an_accepted_image_name_is_a_reference(text in prop_oneof![
        "[a-z0-9._/:A-Z-]{1,20}", "([a-z0-9]{1,4}[._-]{0,3}){1,3}(/[a-z_.-]{1,4}){0,2}(:[a-zA-Z._-]{0,5})?", any::<String>(),
    ]) {
        if let Ok(name) = text.parse::<ImageRef>() {
            prop_assert!(regex(REFERENCE).is_match(&text), "{:?} became {}", text, name);
            prop_assert!(regex(REFERENCE).is_match(&name.to_string()), "{:?} became {}", text, name);
            prop_assert_eq!(name.to_string().parse::<ImageRef>().unwrap(), name);
        }
    }

    #[test]
    fn no_accepted_value_is_an_option_or_has_more_than_text(text in prop_oneof![near_a_tag(), "[-a-z@:/.~^?*\\[{]{1,12}"]) {
        let accepted = [
            text.parse::<CacheBust>().is_ok(), text.parse::<GitRef>().is_ok(), text.parse::<Service>().is_ok(),
            text.parse::<Commit>().is_ok(), GitUrl::parse(&text, &["file".to_owned()]).is_ok(),
        ];
        if accepted.contains(&true) {
            prop_assert!(!text.starts_with('-'), "{:?}", text);
            prop_assert!(!text.contains(['$', '`', ';', '|', '&', '<', '>', '(', ')', '{', '}', '"', '\'', '\\', ' ']), "{:?}", text);
            prop_assert!(!text.contains(char::is_control), "{:?}", text);
        }
    }
}
