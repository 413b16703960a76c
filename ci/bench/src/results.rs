//! What was measured, as docs/bench.json holds it.

use anyhow::Result;
use camino::Utf8Path;
use serde::{Deserialize, Serialize};

/// Everything of one run.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) image: Image,
    #[serde(default)]
    pub(crate) profiles: Vec<Profile>,
    /// How long the tool takes to compile with nothing but its sources at hand.
    pub(crate) cold_compile_s: f64,
    pub(crate) scale: Vec<Growth>,
}

/// A situation, with what each contender made of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) contenders: Vec<Measured>,
}

/// One contender in one scenario; medians of its runs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) contender: String,
    /// Whether every image held the code that was pushed, after every run.
    pub(crate) right: bool,
    pub(crate) runs: usize,
    pub(crate) median_s: f64,
    pub(crate) fastest_s: f64,
    pub(crate) slowest_s: f64,
    /// How many times as long as the tool it took.
    pub(crate) ratio: f64,
    pub(crate) steps: u64,
    pub(crate) hub_bytes: u64,
    /// Bytes that the registry was sent, and that it sent.
    pub(crate) registry_bytes: (u64, u64),
    pub(crate) disk_bytes: i64,
}

/// Where the time of a run goes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) total_s: f64,
    /// In the order in which they started.
    pub(crate) processes: Vec<Process>,
}

/// A process of a run; times are from the start of that.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) command: String,
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
}

/// The image that the tool built.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Image {
    /// From the lowest; those without a byte are left out.
    pub(crate) layers: Vec<Layer>,
    /// Bytes of the layers that a backend push made anew.
    pub(crate) push_bytes: u64,
    /// From `docker run` to the first answer of `/health`.
    pub(crate) health_s: f64,
}

/// A layer of an image.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Layer {
    pub(crate) bytes: u64,
    pub(crate) made_by: String,
}

/// The cost of the tool as one thing grows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Growth {
    pub(crate) what: String,
    pub(crate) points: Vec<Point>,
    /// Processor time and wall time that a size adds to the smallest one, as a power of the size.
    pub(crate) exponent: f64,
}

/// The cost at one size.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) size: u64,
    pub(crate) wall_s: f64,
    /// Of the tool alone, without the processes that it starts.
    pub(crate) cpu_s: f64,
    pub(crate) peak_kb: u64,
}

impl Results {
    /// The committed results; nothing where there are none.
    pub(crate) fn read(root: &Utf8Path) -> Result<Results> {
        let path = root.join("docs/bench.json");
        Ok(if path.exists() { serde_json::from_slice(&fs_err::read(path)?)? } else { Results::default() })
    }

    /// The most memory that the tool needed for anything.
    pub(crate) fn peak_bytes(&self) -> f64 {
        let points = self.scale.iter().flat_map(|growth| &growth.points);
        points.map(|point| point.peak_kb).max().unwrap_or(0) as f64 * 1024.0
    }

    pub(crate) fn write(&self, root: &Utf8Path) -> Result<()> {
        Ok(fs_err::write(root.join("docs/bench.json"), serde_json::to_string_pretty(self)? + "\n")?)
    }
}

impl Scenario {
    /// The contender of this name.
    pub(crate) fn of(&self, contender: &str) -> Option<&Measured> {
        self.contenders.iter().find(|measured| measured.contender == contender)
    }
}

/// The middle one; the higher of the two in the middle.
pub(crate) fn median<T: Copy + PartialOrd>(values: &[T]) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted.get(sorted.len() / 2).copied()
}

/// Three digits after the point are all that a measured second has.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
