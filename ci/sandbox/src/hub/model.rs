//! The content of the model file: made when it is asked for, always the same.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use camino::Utf8Path;

/// The length of the pattern; each repetition begins with its number, so no two are the same.
const BLOCK: usize = 1 << 20;

/// A file of a certain size.
pub(super) struct Model {
    pub(super) size: u64,
    /// The digest of the content, in hexadecimal.
    pub(super) sha256: String,
    pattern: Vec<u8>,
}

impl Model {
    /// Makes the file; its digest is computed once for each size and kept in the cache.
    pub(super) fn new(size: u64, cache: &Utf8Path) -> Result<Model> {
        let mut model = Model { size, sha256: String::new(), pattern: pattern() };
        let kept = cache.join(format!("model-{size}.sha256"));
        model.sha256 = match fs_err::read_to_string(&kept) {
            Ok(digest) if digest.len() == 64 => digest,
            _ => {
                let digest = model.digest()?;
                let mut file = tempfile::NamedTempFile::new_in(cache)?;
                file.write_all(digest.as_bytes())?;
                file.persist(kept)?;
                digest
            }
        };
        Ok(model)
    }

    /// The commit of the model's repository, which changes with the content.
    pub(super) fn commit(&self) -> &str {
        &self.sha256[..40]
    }

    fn digest(&self) -> Result<String> {
        let mut command = Command::new("sha256sum");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("sha256sum")?;
        let mut input = child.stdin.take().context("sha256sum has no input")?;
        self.write(&mut input, 0, self.size, None, |_| ())?;
        drop(input);
        let output = String::from_utf8(child.wait_with_output()?.stdout)?;
        Ok(output.split(' ').next().filter(|digest| digest.len() == 64).context("sha256sum")?.to_owned())
    }

    /// Writes the bytes from `start` up to `end`, one of them with another value, and reports each part.
    pub(super) fn write(
        &self,
        to: &mut impl Write,
        start: u64,
        end: u64,
        flipped: Option<u64>,
        mut written: impl FnMut(u64),
    ) -> std::io::Result<()> {
        let mut block = self.pattern.clone();
        let mut position = start;
        while position < end {
            let number = position / BLOCK as u64;
            let base = number * BLOCK as u64;
            let stop = end.min(base + BLOCK as u64);
            block[..8].copy_from_slice(&number.to_le_bytes());
            let flip = flipped.filter(|at| (position..stop).contains(at)).map(|at| (at - base) as usize);
            if let Some(at) = flip {
                block[at] ^= 1;
            }
            // Small parts, so that the count is close to what the client has when it goes away.
            for part in block[(position - base) as usize..(stop - base) as usize].chunks(64 * 1024) {
                to.write_all(part)?;
                written(part.len() as u64);
            }
            if let Some(at) = flip {
                block[at] ^= 1;
            }
            position = stop;
        }
        Ok(())
    }
}

/// Bytes that do not compress, from a xorshift generator.
fn pattern() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(BLOCK);
    while bytes.len() < BLOCK {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(model: &Model, start: u64, end: u64, flipped: Option<u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        model.write(&mut bytes, start, end, flipped, |_| ()).expect("a vector takes everything");
        bytes
    }

    #[test]
    fn every_range_is_a_part_of_the_whole() {
        let model = Model { size: 3 * BLOCK as u64 / 2, sha256: String::new(), pattern: pattern() };
        let whole = bytes(&model, 0, model.size, None);
        assert_eq!(whole.len() as u64, model.size);
        for (start, end) in [(0, 9), (5, 1_048_580), (1_048_576, 1_048_577), (700_000, model.size)] {
            assert_eq!(bytes(&model, start, end, None), whole[start as usize..end as usize]);
        }
        assert_ne!(whole[..8], whole[BLOCK..BLOCK + 8]);
    }

    #[test]
    fn a_flipped_byte_is_the_only_difference() {
        let model = Model { size: 3 * BLOCK as u64, sha256: String::new(), pattern: pattern() };
        let (good, bad) = (bytes(&model, 0, model.size, None), bytes(&model, 0, model.size, Some(1_048_580)));
        let differences: Vec<_> = (0..good.len()).filter(|at| good[*at] != bad[*at]).collect();
        assert_eq!(differences, [1_048_580]);
    }
}
