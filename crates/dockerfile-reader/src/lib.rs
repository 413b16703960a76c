//! Reads Dockerfiles as BuildKit does: stages, what each is made from and reads from outside, and which code is fetched from
//! Git remotes. Every text is a Dockerfile; nothing fails, and every character knows its line.
//!
//! ```
//! use dockerfile_reader::{Args, Build, Dockerfile, What};
//!
//! let dockerfile = Dockerfile::read("ARG TAG=12\nFROM debian:$TAG AS base\nRUN make\nFROM scratch\nCOPY --from=base /out /\n");
//! let args = Args::from([("TAG".to_owned(), Some("13".to_owned()))]);
//! let build = Build { target: None, args: &args, contexts: &Default::default() };
//! let closure = dockerfile.closure(&build).expect("a stage");
//! assert_eq!(closure.members.len(), 2);
//! assert_eq!(closure.reads[0].what, What::Image { name: "debian:13".to_owned(), platform: None });
//! ```

mod address;
mod arguments;
mod closure;
mod commands;
mod dockerfile;
mod lines;
mod reads;
pub mod shell;
pub mod sources;
pub mod text;
pub mod tools;
mod values;

pub use address::{Reference, absolute};

/// The repository that BuildKit itself fetches for a context, and what is taken from it; nothing for any other context.
///
/// ```
/// use dockerfile_reader::{Reference, git_context};
///
/// let (repository, reference) = git_context("https://git.example/lib.git#main:src").expect("a repository");
/// assert_eq!((repository.as_str(), reference), ("https://git.example/lib.git", Reference::Named("main".to_owned())));
/// assert_eq!(git_context("./lib"), None);
/// ```
pub fn git_context(context: &str) -> Option<(String, Reference)> {
    address::add(context)
}

pub use arguments::{Args, Assignment};
pub use closure::{Build, Closure};
pub use dockerfile::{Dockerfile, Globals, Stage};
pub use lines::Instruction;
pub use reads::{Read, What};
