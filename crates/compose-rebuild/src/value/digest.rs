//! Digests: SHA-256 (FIPS 180-4), and the IDs that Git gives to contents.

use std::io::{self, Read};

use hmac_sha256::Hash;
use sha1_smol::Sha1;

/// The digest of bytes, as 64 lower-case hexadecimal digits.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Hash::hash(bytes.as_ref()))
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A digest over parts, each with its length before it, so that no other parts make the same bytes.
#[derive(Default)]
pub struct Parts(Hash);

impl Parts {
    /// Adds one part.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// The 32 bytes of the digest.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize()
    }
}

/// The ID that Git gives to a content, with so many digits.
pub fn git_blob(digits: usize, size: u64, content: &mut impl Read) -> io::Result<String> {
    let header = format!("blob {size}\0");
    if digits == 64 {
        let mut digest = Hash::new();
        digest.update(&header);
        each_part(size, content, |part| digest.update(part))?;
        Ok(hex(&digest.finalize()))
    } else {
        let mut digest = Sha1::new();
        digest.update(header.as_bytes());
        each_part(size, content, |part| digest.update(part))?;
        Ok(digest.digest().to_string())
    }
}

/// The ID that Git gives to a content, or that of the pointer which Git LFS commits in its place, when that is the wanted one.
pub fn git_blob_or_pointer(wanted: &str, size: u64, content: &mut impl Read) -> io::Result<String> {
    let mut content = Digested { content, digest: Hash::new() };
    let id = git_blob(wanted.len(), size, &mut content)?;
    let digest = hex(&content.digest.finalize());
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n");
    let pointed = git_blob(wanted.len(), pointer.len() as u64, &mut pointer.as_bytes())?;
    Ok(if pointed == wanted { pointed } else { id })
}

/// A content that is digested while it is read.
struct Digested<R> {
    content: R,
    digest: Hash,
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}

fn each_part(mut left: u64, content: &mut impl Read, mut update: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match content.read(&mut buffer)? {
            0 if left == 0 => return Ok(()),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                update(&buffer[..read]);
                left = left.saturating_sub(read as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        // FIPS 180-4, the example of one block.
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let of = |parts: &[&str]| {
            let mut digest = Parts::default();
            parts.iter().for_each(|part| digest.add(part.as_bytes()));
            digest.finish()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
    }

    #[test]
    fn hashes_are_those_of_git() {
        // `printf 'hello\n' | git hash-object --stdin`
        assert_eq!(git_blob(40, 6, &mut &b"hello\n"[..]).expect("memory"), "ce013625030ba8dba906f756967f9e9ca394464a");
        let sha256 = "2cf8d83d9ee29543b34a87727421fdecb7e3f3a183d337639025de576db9ebb4";
        assert_eq!(git_blob(64, 6, &mut &b"hello\n"[..]).expect("memory"), sha256);
        assert!(git_blob(40, 7, &mut &b"hello\n"[..]).is_err(), "cut");
    }
}
