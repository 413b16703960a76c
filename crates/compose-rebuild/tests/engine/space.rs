//! `prune` and `rollback`: what goes, what stays, and where the tags are afterwards.

use std::collections::BTreeSet;

use sandbox::Kind;
use serde_json::Value;

use crate::support::{Outcome, World, sandbox};

/// The JSON lines of a run that have this reason.
fn lines(outcome: &Outcome, reason: &str) -> Vec<Value> {
    outcome.messages().into_iter().filter(|line| line["reason"] == reason).collect()
}

/// The IDs of all images of the engine.
fn ids(world: &World) -> BTreeSet<String> {
    world.docker(&["image", "ls", "--all", "--quiet", "--no-trunc"]).lines().map(str::to_owned).collect()
}

#[test]
fn prune_removes_what_it_printed_and_nothing_of_anybody_else() {
    let world = World::built();
    let mut versions = vec![world.tip()];
    for number in 0..5 {
        // Large enough that `docker system df`, which shows four digits, can tell.
        let noise: String = (0..6_000_000_u64).map(|n| char::from(b'a' + (n * n + n * number) as u8 % 26)).collect();
        versions.push(world.push_file("backend/noise.txt", &format!("{number}{noise}")));
        world.rebuild();
    }
    let app = world.app();
    let tag = |commit: &str| format!("{app}:v0.1.0-{}", &commit[..12]);
    // Strangers: no label under a name of ours, another project's, in use, tagged by hand, a volume.
    let base = world.var("PYTHON_IMAGE").to_owned();
    world.docker(&["image", "tag", &base, &format!("{app}:v0.0.1-000000000000")]);
    let foreign = format!("FROM {base}\nLABEL io.xtask.project=somebody-else io.xtask.service=vibevoice\n");
    world.file("foreign/Dockerfile", &foreign);
    let directory = world.project().join("foreign");
    world.docker(&["build", "--quiet", "--tag", &format!("{app}:v0.0.2-000000000000"), directory.to_str().unwrap()]);
    let stopped = world.docker(&["create", &tag(&versions[0])]);
    world.docker(&["image", "tag", &tag(&versions[1]), &format!("{app}:1.2.3")]);
    let volume = world.docker(&["volume", "create"]);
    let before = ids(&world);

    let plan = world.xtask(["prune", "--message-format", "json"]).ok();
    assert_eq!(ids(&world), before, "a plan removes nothing");
    let wanted: BTreeSet<_> = lines(&plan, "plan")
        .into_iter()
        .filter(|line| line["remove"] == true)
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(wanted.contains(&world.id(&tag(&versions[2])).unwrap()), "{plan}");

    let space = || -> f64 {
        let rows = world.docker(&["system", "df", "--format", "{{.Type}}={{.Size}}"]);
        let size =
            |kind: &str| rows.lines().find_map(|row| row.strip_prefix(kind)?.strip_prefix('=')).unwrap().to_owned();
        ["Images", "Build Cache"]
            .map(|kind| compose_rebuild::value::measure::size(&size(kind)).unwrap() as f64)
            .iter()
            .sum()
    };
    let used = space();
    let done = world.xtask(["prune", "--execute", "--message-format", "json"]).ok();
    let (freed, told) = (used - space(), lines(&done, "finished")[0]["freed_bytes"].as_f64().unwrap());
    assert!(told > 5e6 && (freed - told).abs() < 0.05 * told, "freed {freed}, told {told}\n{done}");
    let gone: BTreeSet<_> = before.difference(&ids(&world)).cloned().collect();
    assert_eq!(gone, wanted, "{done}");
    for survivor in [tag(&versions[0]), tag(&versions[1]), tag(&versions[3]), tag(&versions[4]), tag(&versions[5])] {
        assert!(world.id(&survivor).is_some(), "{survivor}\n{done}");
    }
    for survivor in ["v0.0.1-000000000000", "v0.0.2-000000000000", "1.2.3", "latest"] {
        assert!(world.id(&format!("{app}:{survivor}")).is_some(), "{survivor}\n{done}");
    }
    world.docker(&["volume", "inspect", &volume]);
    assert!(world.xtask(["prune"]).ok().stderr.contains("nothing to prune"));

    // The model is still there.
    let sent = sandbox().hub().bytes().unwrap();
    world.push(Kind::Backend);
    world.rebuild();
    assert_eq!(sandbox().hub().bytes().unwrap(), sent);
    world.docker(&["rm", &stopped]);
    world.docker(&["volume", "rm", &volume]);
}

#[test]
fn prune_waits_for_a_rebuild_and_then_keeps_what_it_made() {
    let world = World::built();
    world.shim("docker", "case \"$*\" in buildx*bake*) hold ;; esac");
    let commit = world.push(Kind::Backend);
    let mut rebuild = world.start(["rebuild"]);
    world.until_held(&mut rebuild);
    let mut prune = world.start(["prune", "--execute", "--keep", "1"]);
    prune.until_says("Blocking");
    world.unshim("docker");
    world.release();
    rebuild.wait().ok();
    prune.wait().ok().says("process ");
    world.assert_current(&commit);
    world.xtask(["verify"]).ok();
}

#[test]
fn an_interrupted_prune_leaves_what_is_needed_and_the_next_one_ends_it() {
    let world = World::built();
    let old = world.id(&world.latest()).unwrap();
    world.push(Kind::Backend);
    world.rebuild();
    let current = world.ids();
    world.shim("docker", "case \"$*\" in image\\ rm*) real \"$@\"; status=$?; hold; exit $status ;; esac");
    let mut prune = world.start(["prune", "--execute", "--keep", "1"]);
    world.until_held(&mut prune);
    prune.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(prune.wait().code, Some(130));
    assert_eq!(world.ids(), current);
    world.unshim("docker");
    world.xtask(["prune", "--execute", "--keep", "1"]).ok();
    assert!(!ids(&world).contains(&old));
    assert_eq!(world.ids(), current);
    world.xtask(["verify"]).ok();
}

#[test]
fn bad_limits_are_refused_with_what_is_possible() {
    let world = World::new();
    for (option, value) in
        [("--older-than", "soon"), ("--older-than", "-3d"), ("--cache-limit", "much"), ("--keep", "-1")]
    {
        world.xtask(["prune", &format!("{option}={value}")]).fails(2);
    }
}

#[test]
fn rollback_moves_all_services_together_and_stays_until_somebody_goes_forward() {
    let world = World::built();
    let first = (world.tip(), world.ids());
    let second = world.push(Kind::Backend);
    world.rebuild();
    let newest = world.ids();
    let value = |commit: &str| format!("v0.1.0-{}", &commit[..12]);

    let listed = world.xtask(["rollback", "--message-format", "json"]).ok();
    let listed: Vec<_> =
        lines(&listed, "plan").iter().map(|line| line["cache_bust"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, [value(&second), value(&first.0)]);
    assert_eq!(world.ids(), newest);

    let refused = world.xtask(["rollback", "v9.9.9"]).fails(2);
    assert!(refused.stderr.contains(&value(&first.0)), "{refused}");
    world.xtask(["rollback", "$(id)"]).fails(2);
    assert_eq!(world.ids(), newest);

    world.xtask(["rollback", &value(&first.0)]).ok();
    assert_eq!(world.ids(), first.1);
    assert_eq!(world.compose(&["run", "--rm", "vibevoice", "cat", "backend/version.txt"]), first.0);
    world.xtask(["verify"]).fails(1);

    world.xtask(["rebuild"]).ok().says("held at");
    assert_eq!(world.ids(), first.1);
    world.xtask(["rebuild", "--forward"]).ok();
    world.assert_current(&second);
    world.xtask(["verify"]).ok();
}
