//! Sums up what a build did: BuildKit's progress events become one [`Summary`](summary::Summary), and every rendering is made from that.
//!
//! Data flows one way, and nothing here has an effect: events come in as bytes, times as values, texts go out.
//!
//! ```
//! use buildkit_report::events::{Event, Progress};
//!
//! let mut progress = Progress::default();
//! let line = br#"{"vertexes":[{"digest":"a","name":"[web build 2/2] RUN make","started":"2026-01-01T00:00:00Z"}]}"#;
//! assert_eq!(progress.feed(line), [Event::Started(0)]);
//! assert_eq!(progress.steps()[0].place().unwrap().instruction, "RUN make");
//! ```

pub mod events;
pub mod figures;
pub mod html;
pub mod markdown;
pub mod measure;
pub mod prediction;
pub mod stages;
pub mod step;
pub mod steps;
pub mod summary;
pub mod terminal;
pub mod text;
pub mod time;
pub mod trace;
pub mod upstream;
