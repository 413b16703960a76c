//! On a terminal: questions, colour and redrawn progress.

use crate::support::{World, commit};

/// Colour, and not merely the cursor movements of progress.
const GREEN: &str = "\u{1b}[1;32m";

#[test]
fn ctrl_c_ends_the_question() {
    let world = World::built();
    let before = world.mutable();
    let (code, screen) = world.run(["full"]).on_terminal("\u{3}");
    assert_eq!(code, Some(130), "{screen}");
    assert_eq!(world.mutable(), before);
    assert!(world.calls_of(" bake ").is_empty());
}

#[test]
fn full_asks_and_does_what_the_answer_is() {
    let world = World::built();
    let before = world.mutable();
    for answer in ["n\n", "\n", "nonsense\n"] {
        let (code, screen) = world.run(["full"]).on_terminal(answer);
        assert_eq!(code, Some(1), "{screen}");
        assert!(screen.contains("[y/N]") && screen.contains("downloaded again"), "{screen}");
        assert_eq!(world.mutable(), before);
    }
    assert!(world.calls_of(" bake ").is_empty());
    let (code, screen) = world.run(["full"]).on_terminal("y\n");
    assert_eq!(code, Some(0), "{screen}");
    assert!(world.mutable().iter().zip(&before).all(|(after, before)| after != before));
}

#[test]
fn colour_is_for_terminals_unless_somebody_objects() {
    let world = World::built();
    let screen = |args: &[&'static str], no_color: Option<&str>| {
        let mut run = world.run(args.iter().copied());
        if let Some(value) = no_color {
            run = run.env("NO_COLOR", value);
        }
        let (code, screen) = run.on_terminal("");
        assert_eq!(code, Some(0), "{screen}");
        screen
    };
    assert!(screen(&["rebuild"], None).contains(GREEN));
    // An empty NO_COLOR is none (no-color.org).
    assert!(screen(&["rebuild"], Some("")).contains(GREEN));
    assert!(!screen(&["rebuild"], Some("1")).contains(GREEN));
    assert!(!screen(&["rebuild", "--color", "never"], None).contains(GREEN));
    assert!(screen(&["rebuild", "--color", "always"], Some("1")).contains(GREEN));
}

#[test]
fn a_build_on_a_terminal_ends_with_the_same_lines() {
    let world = World::built();
    world.push(&commit('b'));
    let (code, screen) = world.run(["rebuild"]).on_terminal("");
    assert_eq!(code, Some(0), "{screen}");
    for verb in ["Building", "Verified", "Promoted", "Finished"] {
        assert!(screen.contains(verb), "{verb}: {screen}");
    }
}

#[test]
fn a_build_on_a_terminal_shows_how_far_it_is() {
    let world = World::new();
    let (code, screen) = world.run(["rebuild"]).env("TERM", "xterm").on_terminal("");
    assert_eq!(code, Some(0), "{screen}");
    // What is drawn is drawn a few times a second.
    assert!([" steps done", "the builder reads the project"].iter().any(|far| screen.contains(far)), "{screen}");
    assert!(!screen.contains("     Running "), "steps are redrawn, not listed: {screen}");
}
