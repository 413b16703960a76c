//! Every source file of an image, hashed as Git hashes it while the engine sends it. Nothing is followed and nothing is
//! written; what is in memory is one buffer, and the names of the files.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use crate::error::Failure;
use crate::facts::image::Image;
use crate::facts::tree::Blob;
use crate::sys::threads::some_at_once;
use crate::value::ImageRef;
use crate::value::digest::{git_blob, git_blob_or_pointer};
use crate::verify::Opened;
use crate::verify::compare::{Difference, Expected, Seen};

/// How many files or directories are copied at the same time.
const AT_ONCE: usize = 4;
/// Above this, one copy of everything costs less than one of each.
const MOST_ENTRIES: usize = 64;

/// Compares the files of an opened image with what is expected.
pub fn compare(opened: &Opened<'_>, name: &ImageRef, image: &Image, expected: Expected) -> anyhow::Result<Difference> {
    let mut entries: Vec<Vec<u8>> = expected.entries.iter().cloned().collect();
    if entries.len() > MOST_ENTRIES {
        entries = vec![b".".to_vec()];
    }
    let expected = Arc::new(expected);
    let read = |entry: &Vec<u8>| -> anyhow::Result<Seen> {
        let expected = Arc::clone(&expected);
        // An archive names what it holds from the last part of the path on.
        let above = entry.iter().rposition(|&b| b == b'/').map_or(Vec::new(), |at| entry[..=at].to_vec());
        let see = move |archive: &mut dyn Read| see(archive, &above, &expected);
        let seen = opened.archive(name, image, OsStr::from_bytes(entry), see)?;
        let seen = seen.transpose().map_err(|error| {
            Failure::precondition(format!("the engine's answer is cut or garbled: {error}"))
                .kept("nothing was changed")
                .hint("run it again")
        })?;
        Ok(seen.unwrap_or_default())
    };
    let seen: Vec<_> = some_at_once(AT_ONCE, &entries, read).into_iter().collect::<anyhow::Result<_>>()?;
    Ok(Difference::new(&expected, &seen))
}

/// What a tar archive of the working directory, or of something `above` leads to, holds.
fn see(archive: &mut dyn Read, above: &[u8], expected: &Expected) -> io::Result<Seen> {
    let relative = |path: &[u8]| [above, path.strip_prefix(b"./").unwrap_or(path)].concat();
    let mut seen = Seen::default();
    // The archive's own headers ask for a few bytes at a time.
    let mut archive = tar::Archive::new(io::BufReader::with_capacity(64 << 10, archive));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        let path = relative(&entry.path_bytes());
        let is = match expected.files.get(&path) {
            // Only what may be right is hashed.
            Some(wanted) if kind.is_file() && !wanted.link => {
                let size = entry.size();
                let id = match expected.has_pointers {
                    true => git_blob_or_pointer(&wanted.id, size, &mut entry)?,
                    false => git_blob(wanted.id.len(), size, &mut entry)?,
                };
                Some(Blob { link: false, id })
            }
            Some(wanted) if kind.is_symlink() => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                Some(Blob { link: true, id: git_blob(wanted.id.len(), target.len() as u64, &mut target.as_slice())? })
            }
            // The same file under another name, which came before.
            Some(_) if kind.is_hard_link() => seen.at(&relative(&entry.link_name_bytes().unwrap_or_default())),
            _ => None,
        };
        seen.note(expected, path, is);
    }
    // Whoever writes the archive must be able to write its padding too.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::tree::Tree;
    use crate::verify::skip::Skip;

    // `printf 'hello\n' | git hash-object --stdin`
    const HELLO: &str = "ce013625030ba8dba906f756967f9e9ca394464a";

    fn header(kind: tar::EntryType, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header
    }

    fn archive(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        fill(&mut builder);
        builder.into_inner().expect("archive")
    }

    fn expected(files: &[(&str, bool, &str)]) -> Expected {
        let blob = |link, id: &str| Blob { link, id: id.to_owned() };
        let files = files.iter().map(|&(path, link, id)| (path.as_bytes().to_vec(), blob(link, id))).collect();
        Expected::new(vec![(String::new(), Tree { files, ..Tree::default() })], Skip::default())
    }

    fn differs(expected: &Expected, bytes: &[u8]) -> Difference {
        let seen = see(&mut &bytes[..], b"", expected).expect("archive");
        Difference::new(expected, &[seen])
    }

    #[test]
    fn links_are_hashed_as_their_target_and_never_followed() {
        // `printf target | git hash-object --stdin`
        let target = "1de565933b05f74c75ff9a6520af5f9f8a5a2f1d";
        let expected =
            expected(&[("link", true, target), ("hard", false, HELLO), ("first", false, HELLO), ("was", false, HELLO)]);
        let bytes = archive(|builder| {
            builder.append_link(&mut header(tar::EntryType::Symlink, 0), "./link", "target").expect("link");
            builder.append_data(&mut header(tar::EntryType::Regular, 6), "first", &b"hello\n"[..]).expect("file");
            builder.append_link(&mut header(tar::EntryType::Link, 0), "hard", "first").expect("hard link");
            builder.append_link(&mut header(tar::EntryType::Symlink, 0), "was", "first").expect("link");
        });
        let difference = differs(&expected, &bytes);
        assert_eq!(difference.changed.first, ["was"], "{difference:?}");
        assert_eq!((difference.missing.count, difference.extra.count), (0, 0));
    }

    #[test]
    fn a_file_in_git_lfs_is_compared_by_its_pointer() {
        // `git lfs pointer --file=f` of `hello`, and `git hash-object` of that.
        let pointer = "version https://git-lfs.github.com/spec/v1\n\
            oid sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\nsize 6\n";
        let id = git_blob(40, pointer.len() as u64, &mut pointer.as_bytes()).expect("memory");
        let seen_as = |names: &[&str], content: &str| {
            let files: Vec<_> = names.iter().map(|name| (*name, false, id.as_str())).collect();
            let bytes = archive(|builder| {
                for name in names {
                    let size = content.len() as u64;
                    builder
                        .append_data(&mut header(tar::EntryType::Regular, size), name, content.as_bytes())
                        .expect("file");
                }
            });
            differs(&expected(&files), &bytes).changed.count
        };
        for content in ["hello\n", pointer] {
            assert_eq!(seen_as(&["m", ".gitattributes"], content), 0, "{content}");
        }
        assert_eq!(seen_as(&["m", ".gitattributes"], "other\n"), 2);
        assert_eq!(seen_as(&["m"], "hello\n"), 1, "nothing says that the repository uses it");
    }

    #[test]
    fn other_kinds_of_files_are_changes() {
        let expected = expected(&[("pipe", false, HELLO), ("hard", false, HELLO)]);
        let bytes = archive(|builder| {
            builder.append_data(&mut header(tar::EntryType::Fifo, 0), "pipe", io::empty()).expect("pipe");
            builder.append_link(&mut header(tar::EntryType::Link, 0), "hard", "nowhere").expect("hard link");
        });
        assert_eq!(differs(&expected, &bytes).changed.first, ["pipe", "hard"]);
    }

    #[test]
    fn a_cut_archive_is_an_error() {
        let expected = expected(&[("first", false, HELLO)]);
        let bytes = archive(|builder| {
            builder.append_data(&mut header(tar::EntryType::Regular, 6), "first", &b"hello\n"[..]).expect("file");
        });
        assert!(see(&mut &bytes[..515], b"", &expected).is_err());
        assert!(see(&mut &b"no archive at all"[..], b"", &expected).is_err());
    }
}
