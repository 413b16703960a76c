//! Where images go.

use crate::error::Failure;
use crate::facts::builder::Builder;
use crate::facts::image::Store;

/// Where builds of a builder leave images, with `--push` or without.
///
/// # Errors
/// Exit code 2 when images would have to be carried from elsewhere into this engine.
pub fn store_of(builder: &Builder, push: bool) -> Result<Store, Failure> {
    match (builder.is_the_engine(), push) {
        (true, _) => Ok(Store::Engine),
        (false, true) => Ok(Store::Registry),
        (false, false) => Err(Failure::usage(format!(
            "the builder `{}` (driver `{}`) neither sees the images of this engine nor puts any there",
            builder.name, builder.driver
        ))
        .kept("nothing was changed")
        .hint("add `--push`, so that kept images and results go through the registry, or use `--builder default`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_engines_own_builder_leaves_images_in_the_engine() {
        let builder = |driver: &str| Builder { name: "b".to_owned(), driver: driver.to_owned() };
        let place = |driver: &str, push| store_of(&builder(driver), push).map_err(|failure| failure.code);
        assert_eq!(place("docker", false), Ok(Store::Engine));
        assert_eq!(place("docker", true), Ok(Store::Engine));
        for driver in ["docker-container", "remote", "kubernetes"] {
            assert_eq!(place(driver, true), Ok(Store::Registry));
            assert_eq!(place(driver, false), Err(2));
        }
    }
}
