//! What follows from the steps of a build: counts, the critical path, the time that the cache saved.

use serde::{Deserialize, Serialize};

use crate::measure::seconds;
use crate::steps::{Status, StepSummary};

/// The figures of a build; times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Steps that ran, those that failed too.
    pub ran: usize,
    /// Steps that came from the cache.
    pub cached: usize,
    /// The bytes that were downloaded.
    pub bytes: u64,
    /// The longest chain of steps that waited for each other, by their places in the list.
    pub critical: Vec<usize>,
    /// How long that chain took.
    pub critical_ms: u64,
    /// How much longer it would have been without cache; nothing when no earlier report knows a cached step.
    pub saved_ms: Option<u64>,
    /// Cached steps whose time no report knows.
    pub unknown: usize,
}

impl Figures {
    /// The figures of these steps.
    pub fn of(steps: &[StepSummary]) -> Self {
        let critical = longest(steps, |step| step.duration_ms);
        let critical_ms = total(steps, &critical, |step| step.duration_ms);
        let alone = |step: &StepSummary| step.last_ms.unwrap_or(step.duration_ms);
        let without_cache = total(steps, &longest(steps, alone), alone);
        let cached = steps.iter().filter(|step| step.cached).count();
        // A base that is here stays here, whatever is built again.
        let unknown = steps.iter().filter(|step| step.cached && step.last_ms.is_none() && !step.is_base()).count();
        let known = unknown == 0 || steps.iter().any(|step| step.last_ms.is_some());
        Self {
            ran: steps.iter().filter(|step| matches!(step.status(), Status::Ran | Status::Failed)).count(),
            cached,
            bytes: steps.iter().fold(0, |sum, step| sum.saturating_add(step.bytes)),
            saved_ms: known.then(|| without_cache.saturating_sub(critical_ms)),
            critical,
            critical_ms,
            unknown,
        }
    }

    /// The time that the cache saved against running everything, in words.
    pub fn saved(&self) -> String {
        match (self.saved_ms, self.unknown) {
            (None, _) => "unknown, no report has the time of a cached step".to_owned(),
            (Some(saved), 0) => seconds(saved),
            (Some(saved), unknown) => {
                format!("{}, not counting {unknown} cached steps of unknown time", seconds(saved))
            }
        }
    }

    /// The share of the steps that came from the cache, in percent.
    pub fn cached_share(&self, steps: usize) -> usize {
        (self.cached * 100).checked_div(steps).unwrap_or(0)
    }
}

/// The chain of steps with the largest sum of weights, without steps that weigh nothing.
fn longest(steps: &[StepSummary], weight: impl Fn(&StepSummary) -> u64) -> Vec<usize> {
    // For every step the weight of the heaviest chain that ends in it, and the step before it in that chain.
    let mut best: Vec<(u64, Option<usize>)> = Vec::with_capacity(steps.len());
    for step in steps {
        let before = step.inputs.iter().copied().max_by_key(|&input| best[input].0);
        let sum = before.map_or(0, |input| best[input].0);
        best.push((sum.saturating_add(weight(step)), before));
    }
    let mut at = (0..steps.len()).max_by_key(|&index| best[index].0);
    let mut chain = Vec::new();
    while let Some(index) = at {
        if weight(&steps[index]) > 0 {
            chain.push(index);
        }
        at = best[index].1;
    }
    chain.reverse();
    chain
}

fn total(steps: &[StepSummary], chain: &[usize], weight: impl Fn(&StepSummary) -> u64) -> u64 {
    chain.iter().fold(0, |sum, &index| sum.saturating_add(weight(&steps[index])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(duration_ms: u64, last_ms: Option<u64>, inputs: &[usize]) -> StepSummary {
        let cached = duration_ms == 0;
        StepSummary { duration_ms, last_ms, cached, inputs: inputs.to_vec(), ..StepSummary::default() }
    }

    #[test]
    fn the_critical_path_is_the_longest_chain_and_not_the_longest_step() {
        let steps = [step(5, None, &[]), step(9, None, &[]), step(6, None, &[0]), step(1, None, &[1, 2])];
        let figures = Figures::of(&steps);
        assert_eq!((figures.critical, figures.critical_ms), (vec![0, 2, 3], 12));
        assert_eq!((figures.ran, figures.cached, figures.saved_ms), (4, 0, Some(0)));
    }

    #[test]
    fn the_cache_saved_what_the_longest_chain_would_have_taken_more() {
        // Without cache 100 and then 5, beside 30: the 30 would not have been waited for.
        let steps = [step(0, Some(100), &[]), step(0, Some(30), &[]), step(5, None, &[0, 1]), step(0, None, &[])];
        let figures = Figures::of(&steps);
        assert_eq!((figures.saved_ms, figures.unknown, figures.cached_share(steps.len())), (Some(100), 1, 75));
        assert_eq!(Figures::of(&[step(0, None, &[]), step(5, None, &[])]).saved_ms, None);
        assert_eq!(Figures::of(&[]), Figures { saved_ms: Some(0), ..Figures::default() });
    }
}
