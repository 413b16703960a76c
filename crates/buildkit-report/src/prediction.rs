//! What is expected of a build before it begins.

use serde::{Deserialize, Serialize};

/// What is expected of one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagePrediction {
    /// The stage, named as BuildKit's progress names it.
    pub stage: String,
    /// The services whose images need it.
    pub services: Vec<String>,
    /// Whether a step of it runs.
    pub expected: Expected,
    /// Why, in words.
    pub why: String,
    /// How long the steps that run should take, in milliseconds; nothing without a report to learn from.
    pub expected_ms: Option<u64>,
    /// The longest of these steps.
    pub longest: Option<Longest>,
}

/// Whether a stage is expected to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// At least one step runs.
    Runs,
    /// Every step comes from the cache.
    Cached,
    /// Nobody can know before.
    #[default]
    Unknown,
}

impl Expected {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Cached => "cached",
            Self::Unknown => "unknown",
        }
    }
}

/// The step of a stage that takes longest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Longest {
    /// The instruction.
    pub step: String,
    /// How long it took the last time that it ran, in milliseconds.
    pub ms: u64,
}
