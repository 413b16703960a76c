//! Random commits on random Dockerfiles: is what was foreseen what the builder does? `RANDOM_GRAPHS` is how many Dockerfiles are
//! tried, and `RANDOM_SEED` which ones.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::foreseen::Tally;
use crate::support::{Random, World, number};

const COMMITS: usize = 10;
const DIRECTORIES: [&str; 4] = ["a", "b", "b/c", "d"];

/// What a stage may copy of the code: files, directories, and names with wildcards.
fn part(random: &mut Random) -> String {
    let directory = random.of(&DIRECTORIES);
    match random.below(4) {
        0 => format!("{directory}/keep.txt"),
        1 => format!("{directory}/*.txt"),
        2 => format!("{directory}/k*.t?t"),
        _ => format!("{directory}/"),
    }
}

/// Two stages that clone, one of which moves things, four that work on parts of the code or of each other, and an image
/// of what came out.
fn dockerfile(random: &mut Random) -> String {
    let mut text = "ARG BASE\n".to_owned();
    let clone = "ARG GITHUB_REPO\nARG GITHUB_COMMIT\nARG CACHE_BUST\n\
                 RUN git init --quiet code && git -C code fetch --quiet --depth=1 -- \"$GITHUB_REPO\" \"$GITHUB_COMMIT\" && \
                 git -C code checkout --quiet FETCH_HEAD && rm -rf code/.git";
    text += &format!("FROM ${{BASE}} AS left\nWORKDIR /left\n{clone}\n");
    text += &format!("FROM ${{BASE}} AS right\nWORKDIR /right\n{clone} && mkdir moved && mv code/d moved/\n");
    for number in 0..4 {
        text += &format!("FROM ${{BASE}} AS work{number}\nWORKDIR /in\n");
        for copy in 0..=random.below(2) {
            let (from, path) = match random.below(4) {
                0 if number > 0 => {
                    (format!("work{}", random.below(number)), random.of(&["/out/", "/out/sum", "/in/0/"]).to_owned())
                }
                1 => (
                    "right".to_owned(),
                    random.of(&["/right/moved/d/", "/right/code/b/*.txt", "/right/moved/d/keep.txt"]).to_owned(),
                ),
                _ => ("left".to_owned(), format!("/left/code/{}", part(random))),
            };
            text += &format!("COPY --from={from} {path} ./{copy}/\n");
        }
        if random.below(3) > 0 {
            let sum = "find /in -type f -printf '%m %p\\n' -exec sha256sum {} +";
            text += &format!("RUN mkdir -p /out && {sum} | sort > /out/sum\n");
        } else {
            text += "COPY --from=left /left/code/a/keep.txt /out/sum\n";
        }
    }
    text += "FROM scratch\n";
    for number in 0..4 {
        text += &format!("COPY --from=work{number} /out/sum /{number}\n");
    }
    text
}

/// Changes some files of the work tree, or goes back to what an earlier commit had.
fn change(random: &mut Random, work: &Path, commits: &[String], number: usize) {
    if random.below(6) == 0 && commits.len() > 1 {
        let earlier = &commits[random.below(commits.len())];
        let back = Command::new("git").arg("-C").arg(work).args(["checkout", earlier, "--", "a", "b", "d"]).status();
        assert!(back.unwrap().success());
    }
    for _ in 0..=random.below(2) {
        let directory = work.join(random.of(&DIRECTORIES));
        let name = random.of(&["keep.txt", "one.txt", "two.md", "k.txt"]);
        let path = directory.join(name);
        match random.below(5) {
            0 if name != "keep.txt" => drop(fs::remove_file(path)),
            1 => fs::write(path, "always the same\n").unwrap(),
            _ => fs::write(path, format!("{number} {}\n", random.below(1000))).unwrap(),
        }
    }
    // Something changes in every commit.
    fs::write(work.join("number"), number.to_string()).unwrap();
}

#[test]
fn random_commits_on_random_stages_do_what_was_foreseen() {
    let world = World::new();
    let work = world.upstream.work();
    for directory in DIRECTORIES {
        fs::create_dir_all(work.join(directory)).unwrap();
        fs::write(work.join(directory).join("keep.txt"), format!("{} {directory}\n", world.name)).unwrap();
    }
    let mut commits = vec![world.upstream.push_work("Begin").unwrap()];
    let base = world.var("NODE_IMAGE").to_owned();
    let repository = world.var("GITHUB_REPO").to_owned();
    let args = format!(
        "{{BASE: '{base}', GITHUB_REPO: '{repository}', GITHUB_BRANCH: main, GITHUB_COMMIT: '', CACHE_BUST: x}}"
    );
    let compose =
        format!("name: {0}\nservices:\n  app: {{image: '{0}:app', build: {{context: ., args: {args}}}}}\n", world.name);
    world.file("compose.yml", &compose);
    world.manifest("");
    let (mut random, mut tally) = (Random::new(number("RANDOM_SEED", 7) as u64), Tally::default());
    for graph in 0..number("RANDOM_GRAPHS", 2) {
        world.file("Dockerfile", &dockerfile(&mut random));
        for commit in 0..COMMITS {
            change(&mut random, work.as_std_path(), &commits, graph * COMMITS + commit);
            commits.push(world.upstream.push_work(&format!("Change {graph} {commit}")).unwrap());
            tally.check_alone(&world, &format!("graph {graph}, commit {commit}"));
        }
    }
    tally.finish(0.98);
}
