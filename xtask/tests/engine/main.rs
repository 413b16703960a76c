//! The whole flow on a real Docker engine: `cargo sandbox cargo test -p xtask --features engine --test engine --
//! --test-threads=1`.

mod first;
mod interrupt;
mod model;
mod pushes;
mod refusals;
mod support;
mod zz_prune;
