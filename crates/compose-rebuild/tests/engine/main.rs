//! The whole flow on a real Docker engine: `cargo sandbox cargo test -p compose-rebuild --features engine --test engine --
//! --test-threads=1`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests run programs and read the environment")]

mod bases;
mod cases;
mod crash;
mod definition;
mod deploy;
mod doctor;
mod edges;
mod first;
mod found;
mod fresh;
mod hostile;
mod interrupt;
mod kills;
mod model;
mod pipelines;
mod plan;
mod pushes;
mod random;
mod refusals;
mod registry;
mod release;
mod remotes;
mod sources;
mod space;
mod storm;
mod support;
mod table;
mod up;
mod verify;
mod zz_prune;
