//! What a run did: its summary, and what a terminal shows of plans, summaries and verdicts.

pub mod fleet;
pub mod human;
pub mod plan;
pub mod summary;
pub mod verdicts;
