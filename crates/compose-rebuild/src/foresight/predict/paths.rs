//! Paths in an image.

/// A path from the root, without `.`, `..` and doubled slashes.
pub(super) fn absolute(directory: &str, path: &str) -> String {
    let base = if path.starts_with('/') { "" } else { directory };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_from_the_root() {
        assert_eq!(absolute("/w/x", "./a//b/../c/"), "/w/x/a/c");
        assert_eq!(absolute("/w", "/"), "/");
    }
}
