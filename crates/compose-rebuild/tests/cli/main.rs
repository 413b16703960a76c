//! The command line against fake `docker` and `git` programs: no engine, no network.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests run programs and read the environment")]

mod age;
mod answers;
mod deep;
mod deploy;
mod doctor;
mod documents;
mod errors;
mod faults;
mod found;
mod interrupt;
mod local;
mod lock;
mod matrix;
mod messages;
mod paths;
mod pipelines;
mod properties;
mod rebuild;
mod release;
mod remotes;
mod report;
mod rollback;
mod schema;
mod secrets;
mod sources;
mod space;
mod state;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod terminal;
mod transcripts;
mod up;
mod values;
mod verify;
mod workspace;
