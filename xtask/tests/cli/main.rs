//! The command line against fake `docker` and `git` programs: no engine, no network.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod faults;
mod rebuild;
#[path = "../support/mod.rs"]
mod support;
mod values;
