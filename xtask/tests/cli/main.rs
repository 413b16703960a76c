//! The command line against fake `docker` and `git` programs: no engine, no network.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod doctor;
mod faults;
mod interrupt;
mod lock;
mod messages;
mod properties;
mod rebuild;
mod release;
mod report;
mod schema;
mod sources;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod tidy;
mod values;
mod verify;
