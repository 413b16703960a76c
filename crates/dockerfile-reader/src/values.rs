//! What variables are at a place of a Dockerfile.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::arguments::is_platform;
use crate::shell::Variables;

/// Longest value that is put in the place of a variable; no address or ref is longer.
const LONGEST: usize = 1024;
/// Characters that all values together may put into one Dockerfile: values made of values grow without limit.
const BUDGET: usize = 1 << 20;
/// Through how many stages a variable is followed.
const DEPTH: usize = 64;

/// Values of arguments and variables, stage by stage.
#[derive(Debug)]
pub(crate) struct Values {
    stages: Vec<Scope>,
    /// What the script that is read now has set.
    script: RefCell<HashMap<String, Option<String>>>,
    budget: Cell<usize>,
}

#[derive(Debug, Default)]
struct Scope {
    parent: Option<usize>,
    /// Whether it starts from an image that may set any variable.
    is_open: bool,
    /// Nothing for values that are too long.
    own: HashMap<String, Option<String>>,
}

impl Default for Values {
    fn default() -> Self {
        Self { stages: vec![Scope::default()], script: RefCell::default(), budget: Cell::new(BUDGET) }
    }
}

impl Values {
    /// Begins a stage, which has the variables of its parent, counted from 1, or those of an image that may set any.
    pub(crate) fn begin_stage(&mut self, parent: Option<usize>, is_open: bool) {
        self.stages.push(Scope { parent, is_open, own: HashMap::new() });
    }

    /// Begins a script: what an earlier one set is gone.
    pub(crate) fn begin_script(&self) {
        self.script.borrow_mut().clear();
    }

    /// Sets a variable for the rest of the stage.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        if let Some(stage) = self.stages.last_mut() {
            stage.own.insert(name.to_owned(), (value.len() <= LONGEST).then(|| value.to_owned()));
        }
    }

    /// The stage and those that it starts from.
    fn scopes(&self) -> impl Iterator<Item = &Scope> {
        let parent = |scope: &&Scope| Some(&self.stages[scope.parent?]);
        std::iter::successors(self.stages.last(), parent).take(DEPTH)
    }

    /// What a stage or one that it starts from sets.
    fn of_stage(&self, name: &str) -> Option<&Option<String>> {
        self.scopes().find_map(|scope| scope.own.get(name))
    }

    /// Whether a variable has a value, known or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.of_stage(name).is_some()
    }
}

impl Variables for Values {
    fn get(&self, name: &str) -> Option<String> {
        let own = self.script.borrow().get(name).cloned();
        let value = own.unwrap_or_else(|| self.of_stage(name)?.clone())?;
        let left = self.budget.get().checked_sub(value.len())?;
        self.budget.set(left);
        Some(value)
    }

    fn may_be_set(&self, name: &str) -> bool {
        self.has(name) || is_platform(name) || self.scopes().any(|scope| scope.is_open)
    }

    fn set_in_script(&self, name: &str, value: Option<&str>) {
        let value = value.filter(|value| value.len() <= LONGEST).map(str::to_owned);
        self.script.borrow_mut().insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::{commands, expand};
    use crate::text::Text;

    #[test]
    fn known_values_take_the_place_of_variables() {
        let mut values = Values::default();
        for (name, value) in [("A", "a b"), ("E", ""), ("U", "https://h")] {
            values.set(name, value);
        }
        let read = |script: &str| {
            let text: Text = script.chars().map(|c| (c, 1)).collect();
            commands(&text, Some(&values)).last().and_then(|command| command.words.get(1)).map(|word| word.text.clone())
        };
        for (script, text) in [
            ("x $A", "a"),
            ("x '' $A", ""),
            ("x \"$A\"", "a b"),
            ("x \"${A}\"/$E", "a b/"),
            ("x '$A' ", "$A"),
            ("x \\$A", "$A"),
            ("x ${E:-d}${E-e}${N-f}", "df"),
            ("x ${A:+y}${E:+z}${N+z}", "y"),
            ("x \"${N:-$U/${A:-x}}\"", "https://h/a b"),
            ("x $N${N}", "$N${N}"),
            ("B=$U/n; x $B", "https://h/n"),
            ("export B=1 C=$(date) && x $B$C", "1$C"),
            ("x ${U##*/} ${#A}", "h"),
        ] {
            values.begin_script();
            assert_eq!(read(script).as_deref(), Some(text), "{script}");
        }
        assert_eq!(expand("$U/\\$A/${E:-'x'}", '\\', &values).text, "https://h/$A/x");
    }

    #[test]
    fn values_never_grow_without_limit() {
        let mut values = Values::default();
        values.set("A", &"x".repeat(1000));
        let text: Text = "x ".chars().chain("$A ".repeat(100_000).chars()).map(|c| (c, 1)).collect();
        let length: usize = commands(&text, Some(&values))[0].words.iter().map(|word| word.text.len()).sum();
        assert!(length < 2_000_000, "{length}");
        values.set("B", &"x".repeat(2000));
        assert_eq!(values.get("B"), None);
    }
}
