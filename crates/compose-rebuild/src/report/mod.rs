//! What a run did: one value, from which every rendering is made.

pub mod figures;
pub mod html;
pub mod human;
pub mod inert;
pub mod markdown;
pub mod plan;
pub mod stages;
pub mod steps;
pub mod summary;
pub mod terminal;
pub mod trace;
pub mod verdicts;
