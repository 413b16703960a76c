//! What came out of all changes.

use std::collections::BTreeMap;

/// Counts, and everything that should not have happened.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) projects: usize,
    /// Images said to be up to date that BuildKit makes others of.
    pub(super) wrong: Vec<String>,
    /// Images not said to be up to date where nothing changed and nothing is unknowable.
    pub(super) timid: Vec<String>,
    /// Projects that the tool did not build though BuildKit can.
    pub(super) refused: Vec<String>,
    kinds: BTreeMap<&'static str, Kind>,
}

/// Counts of services after changes of one kind.
#[derive(Default)]
struct Kind {
    asked: usize,
    fresh: usize,
    /// Runs of which everything can be known.
    knowable: usize,
    /// Of those whose image was built: it is another one, and it is not.
    other: usize,
    same: usize,
    /// Built, though it is the same image and nothing is unknowable.
    in_vain: usize,
}

impl Figures {
    /// Counts a service after a change.
    pub(super) fn count(&mut self, kind: &'static str, fresh: bool, is_other: Option<bool>, unknowable: bool) {
        let kind = self.kinds.entry(kind).or_default();
        kind.asked += 1;
        kind.fresh += usize::from(fresh);
        kind.knowable += usize::from(!unknowable);
        kind.other += usize::from(is_other == Some(true));
        kind.same += usize::from(is_other == Some(false));
        kind.in_vain += usize::from(is_other == Some(false) && !fresh && !unknowable);
    }

    pub(super) fn add(&mut self, other: Self) {
        self.projects += other.projects;
        self.wrong.extend(other.wrong);
        self.timid.extend(other.timid);
        self.refused.extend(other.refused);
        for (name, kind) in other.kinds {
            let sum = self.kinds.entry(name).or_default();
            sum.asked += kind.asked;
            sum.fresh += kind.fresh;
            sum.knowable += kind.knowable;
            sum.other += kind.other;
            sum.same += kind.same;
            sum.in_vain += kind.in_vain;
        }
    }

    /// Prints the figures, and fails when the tool was wrong, or too careful.
    #[allow(clippy::print_stdout, reason = "the figures are what the test is for")]
    pub(super) fn finish(self) {
        let Self { projects, wrong, timid, refused, kinds } = self;
        println!("{:40} services   fresh another   same in vain", "change");
        for (name, kind) in &kinds {
            let Kind { asked, fresh, other, same, in_vain, .. } = kind;
            println!("{name:40} {asked:8} {fresh:7} {other:7} {same:6} {in_vain:7}");
        }
        let unchanged: usize =
            kinds.iter().filter(|(name, _)| name.starts_with('=')).map(|(_, kind)| kind.knowable).sum();
        let pairs: usize = kinds.values().map(|kind| kind.asked).sum();
        let share = 100.0 * timid.len() as f64 / unchanged.max(1) as f64;
        println!("{projects} projects, {pairs} answers about a service after a change");
        println!("{} wrong, {} refused", wrong.len(), refused.len());
        println!("{} of {unchanged} not said to be up to date though nothing changed: {share:.1} %", timid.len());
        for (what, all) in [("refused", &refused), ("too careful", &timid), ("wrong", &wrong)] {
            all.iter().take(20).for_each(|one| println!("=== {what}: {one}\n"));
        }
        assert!(wrong.is_empty() && refused.is_empty(), "{} wrong, {} refused", wrong.len(), refused.len());
        assert!(share < 2.0, "{share} % not said to be up to date");
    }
}
