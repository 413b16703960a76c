//! What can make a step run, in words.

use std::fmt;

/// One thing that a step is made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The lines of the Dockerfile.
    Lines,
    /// A build argument or a variable.
    Argument(String),
    /// A base image.
    Base(String),
    /// Something that another stage or image has.
    Input(String),
    /// Files of the code.
    Files(String),
    /// Files of the build context.
    Context,
    /// Something that the builder downloads.
    Download,
}

impl Cause {
    /// That it is another one than before.
    pub fn changed(&self) -> String {
        match self {
            Self::Lines => "Dockerfile lines changed".to_owned(),
            Self::Base(image) => format!("base image `{image}` is another one"),
            Self::Input(stage) => format!("input `{stage}` changed"),
            Self::Context => "it takes local files, so BuildKit decides".to_owned(),
            Self::Download => "only the builder knows what it downloads".to_owned(),
            Self::Argument(_) | Self::Files(_) => format!("{self} changed"),
        }
    }

    /// Whether it is one of many of its kind, which are named together.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Argument(_) | Self::Files(_))
    }

    /// That nobody can know.
    pub fn doubtful(&self) -> String {
        match self {
            Self::Base(image) => format!("base image `{image}` may have moved"),
            Self::Lines | Self::Argument(_) | Self::Input(_) | Self::Files(_) => format!("{self} may have changed"),
            Self::Context | Self::Download => self.changed(),
        }
    }
}

/// The name, which also tells causes apart in the record of a build.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines => f.write_str("Dockerfile lines"),
            Self::Files(path) if path == "." => f.write_str("the code"),
            Self::Argument(name) | Self::Files(name) => write!(f, "`{name}`"),
            Self::Base(image) => write!(f, "base image `{image}`"),
            Self::Input(stage) => write!(f, "input `{stage}`"),
            Self::Context => f.write_str("local files"),
            Self::Download => f.write_str("download"),
        }
    }
}
