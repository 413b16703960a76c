//! Which module may use which, held against every path that the source names, in tests too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

use crate::{crates, files, source};

/// The stations of the tool, the lowest first: each uses those before it and no other.
const STATIONS: [&str; 20] = [
    "error",
    "value",
    "ui",
    "sys",
    "project",
    "facts",
    "plan",
    "cli",
    "settings",
    "build",
    "verify",
    "promote",
    "push",
    "up",
    "foresight",
    "report",
    "doctor",
    "commands",
    "program",
    "lib",
];

/// What decides from values alone, folders with everything in them.
pub(crate) const PURE: [&str; 9] = [
    "plan",
    "project",
    "doctor",
    "report",
    "foresight/predict",
    "foresight/upstream",
    "verify/compare",
    "verify/skip",
    "verify/verdict",
];

/// What has effects or brings something of the moment in.
const EFFECTS: [&str; 11] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "fs_err",
    "indicatif",
    "nix",
    "tempfile",
    "xshell",
];

/// A module's place in its crate.
type Module = Vec<String>;

/// Who uses what, files under the paths of their modules.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// The files of a crate, by the modules that they are, and what they use.
struct Reader {
    files: BTreeMap<Module, String>,
    /// Files of the crate.
    uses: Uses,
    /// Paths of other crates.
    others: Uses,
}

impl Reader {
    /// Reads all files below `src`; the library itself is called `lib`.
    fn read(source: &Path) -> Self {
        let module = |path: &Path| -> Module {
            let name = path.strip_prefix(source).unwrap().with_extension("");
            let parts = name.iter().map(|part| part.to_str().unwrap().to_owned());
            parts.filter(|part| part != "lib" && part != "mod").collect()
        };
        let name = |module: Module| if module.is_empty() { "lib".to_owned() } else { module.join("/") };
        let paths: Vec<_> = files(source).into_iter().filter(|path| !path.ends_with("src/main.rs")).collect();
        let files = paths.iter().map(|path| (module(path), name(module(path)))).collect();
        let mut reader = Self { files, uses: Uses::new(), others: Uses::new() };
        for path in paths {
            reader.walk(&module(&path), &[], fs::read_to_string(&path).unwrap().parse().unwrap());
        }
        reader
    }

    /// Follows every path of a module's tokens; `below` is what stands before the braces around them in a `use`.
    fn walk(&mut self, module: &Module, below: &[String], tokens: TokenStream) {
        let all: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = &all[..];
        let mut path = below.to_vec();
        while !rest.is_empty() {
            let (is_whole, after) = match rest {
                [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), after @ ..]
                    if word == "mod" =>
                {
                    let inner = module.iter().cloned().chain([name.to_string()]).collect();
                    self.walk(&inner, &[], body.stream());
                    (false, after)
                }
                // Who may see something is no use of it.
                [TokenTree::Ident(word), TokenTree::Group(_), after @ ..] if word == "pub" => (false, after),
                [TokenTree::Ident(word), _, after @ ..] if word == "as" && !below.is_empty() => (false, after),
                [TokenTree::Ident(word), TokenTree::Punct(first), TokenTree::Punct(second), after @ ..]
                    if first.as_char() == ':' && second.as_char() == ':' =>
                {
                    path.push(word.to_string());
                    rest = after;
                    continue;
                }
                [TokenTree::Group(body), after @ ..] => {
                    self.walk(module, &path, body.stream());
                    (false, after)
                }
                // A word alone is no path, outside of the braces of a `use`.
                [TokenTree::Ident(word), after @ ..] => {
                    let is_path = !path.is_empty();
                    path.push(word.to_string());
                    (is_path, after)
                }
                // `::*`, or `::<T>`.
                [_, after @ ..] => (path.len() > below.len(), after),
                [] => return,
            };
            if is_whole {
                self.note(module, &path);
            }
            path = below.to_vec();
            rest = after;
        }
    }

    /// Notes where a path in a module leads.
    fn note(&mut self, module: &Module, path: &[String]) {
        let mut at = if path[0] == "crate" { Module::new() } else { module.clone() };
        for (position, part) in path.iter().enumerate() {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => drop(at.pop()),
                name => {
                    at.push(name.to_owned());
                    if !self.files.contains_key(&at) {
                        at.pop();
                        if position == 0 {
                            self.others.entry(self.file(module)).or_default().insert(path.join("::"));
                        }
                        break;
                    }
                }
            }
        }
        let (from, to) = (self.file(module), self.file(&at));
        if from != to {
            self.uses.entry(from).or_default().insert(to);
        }
    }

    /// The file of a module, which may be one inside a file.
    fn file(&self, module: &Module) -> String {
        let outward = (0..=module.len()).rev().filter_map(|length| self.files.get(&module[..length]));
        outward.map(String::clone).next().unwrap()
    }
}

/// The order between the folders and files right below `src`.
fn between_stations(uses: &Uses) -> Uses {
    let station = |file: &String| file.split('/').next().unwrap().to_owned();
    let mut stations = Uses::new();
    for (from, to) in uses.iter().flat_map(|(from, all)| all.iter().map(move |to| (station(from), station(to)))) {
        if from != to {
            stations.entry(from).or_default().insert(to);
        }
    }
    stations
}

/// Groups whose members use each other, in circles of any length.
fn circles(uses: &Uses) -> BTreeSet<BTreeSet<String>> {
    let reached = |from: &String| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            open.extend(uses.get(at).into_iter().flatten().filter(|to| reached.insert((*to).clone())));
        }
        reached
    };
    let all: BTreeMap<&String, BTreeSet<String>> = uses.keys().map(|from| (from, reached(from))).collect();
    let comes_back = |from: &String, to: &String| all.get(to).is_some_and(|reached| reached.contains(from));
    let circle = |from: &&String| all[*from].iter().filter(|to| comes_back(from, to)).cloned().collect();
    all.keys().map(circle).filter(|circle: &BTreeSet<String>| circle.len() > 1).collect()
}

#[test]
fn no_station_uses_one_that_comes_after_it() {
    let place = |name: &String| {
        STATIONS.iter().position(|station| station == name).unwrap_or_else(|| panic!("`{name}` is no station"))
    };
    let mut wrong = Vec::new();
    for (from, all) in &Reader::read(&source()).uses {
        let station = |file: &String| place(&file.split('/').next().unwrap().to_owned());
        wrong.extend(all.iter().filter(|to| station(to) > station(from)).map(|to| format!("{from} uses {to}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_files_use_each_other() {
    for folder in crates() {
        let uses = Reader::read(&folder.join("src")).uses;
        assert!(uses.len() > 5, "{}: {uses:?}", folder.display());
        let found = (circles(&uses), circles(&between_stations(&uses)));
        assert_eq!(found, Default::default(), "{}", folder.display());
    }
}

#[test]
fn what_decides_does_so_from_values() {
    let reader = Reader::read(&source());
    let is_below = |file: &str, folder: &str| file == folder || file.starts_with(&format!("{folder}/"));
    let mut wrong = Vec::new();
    for pure in PURE {
        let own: Vec<_> = reader.files.values().filter(|file| is_below(file, pure)).collect();
        assert!(!own.is_empty(), "{pure} is gone");
        for file in own {
            let named = reader.others.get(file).into_iter().flatten();
            let effects = named
                .filter(|path| EFFECTS.iter().any(|effect| format!("{path}::").starts_with(&format!("{effect}::"))));
            let used = reader.uses.get(file).into_iter().flatten().filter(|file| is_below(file, "sys"));
            wrong.extend(effects.chain(used).map(|what| format!("{file} uses {what}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_form_of_a_path_is_seen() {
    let files = ["", "a", "a/b", "c"]
        .map(|name| (name.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect(), name.to_owned()));
    let seen = |module: &str, text: &str| {
        let mut reader = Reader { files: files.clone().into(), uses: Uses::new(), others: Uses::new() };
        reader.walk(&module.split('/').map(str::to_owned).collect(), &[], text.parse().unwrap());
        (
            reader.uses.into_values().flatten().collect::<Vec<_>>().join(" "),
            reader.others.into_values().flatten().collect::<Vec<_>>().join(" "),
        )
    };
    let pair = |uses: &str, others: &str| (uses.to_owned(), others.to_owned());
    for text in [
        "use crate::c;",
        "use crate::c::{self, D as E};",
        "use crate::{c::D, a};",
        "use super::c::*;",
        "fn f() { assert_eq!(crate::c::d::<u8>(), 1) }",
        "#[cfg(test)] mod tests { use super::super::c; mod inner { use crate::a; } }",
        "// crate::a::b\nfn f(x: crate::c::D<'_>) -> &str { \"crate::a::b\" }",
    ] {
        assert_eq!(seen("a", text), pair("c", ""), "{text}");
    }
    assert_eq!(seen("a", "fn f() { b::x() } pub(in crate::c) fn g() {}"), pair("a/b", ""));
    assert_eq!(
        seen("a/b", "use super::*; use std::{fs, io::{self, Read}};"),
        pair("a", "std::fs std::io::Read std::io::self")
    );
}
