//! Rebuilds exactly what the remote changed.
//!
//! Data flows one way: gather facts, plan, build, verify, promote, report.

pub mod build;
pub mod cli;
pub mod commands;
pub mod dockerfile;
pub mod doctor;
pub mod error;
pub mod facts;
pub mod plan;
pub mod promote;
pub mod push;
pub mod report;
pub mod settings;
pub mod sys;
pub mod ui;
pub mod value;
pub mod verify;
