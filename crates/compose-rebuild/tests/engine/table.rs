//! Every row of the table of changes, with the real definition of Compose and a real engine.

#[path = "../support/table.rs"]
mod rows;

use std::sync::{Arc, Mutex};
use std::{fs, thread};

use serde_json::{Value, json};

use crate::support::{World, serve_text};
use rows::{Expectation, Inputs, Row};

/// Rows at the same time: most of their time they wait for Compose and the engine.
const WORKERS: usize = 3;

/// Writes a project, whose variables are then those of the world.
fn write(world: &mut World, inputs: &Inputs, server: &str) {
    fs::remove_dir_all(world.project()).unwrap();
    fs::create_dir(world.project()).unwrap();
    world.manifest("");
    for (name, text) in &inputs.files {
        world.write(name, &text.replace("http://server.invalid/", server));
    }
    for (name, value) in &inputs.variables {
        world.set(name, value);
    }
}

/// The plan of the service.
fn plan(world: &World) -> Result<Value, String> {
    let outcome = world.xtask(["plan", "--message-format", "json", "app"]);
    if outcome.code != Some(0) {
        return Err(outcome.to_string());
    }
    let plan: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let service = plan["services"].as_array().unwrap().iter().find(|one| one["service"] == "app");
    service.cloned().ok_or_else(|| format!("no plan for `app`: {plan}"))
}

/// What a plain build of the service makes.
fn image(world: &World) -> Result<Value, String> {
    let mut definition: Value = serde_json::from_str(&world.compose(&["build", "--print"])).unwrap();
    let target = &mut definition["target"]["app"];
    target["tags"] = json!([world.throwaway("app")]);
    target["no-cache"] = json!(false);
    // Not every engine can attest, and what is attested is not in the image.
    target["attest"] = json!([]);
    world.bake(&definition, ["app"].into_iter())?;
    Ok(world.contents(["app"].into_iter()).remove("app").unwrap())
}

/// What is wrong with a row, if anything is.
fn check(world: &mut World, row: &Row, server: &str) -> Result<(), String> {
    let [before, after] = [false, true].map(|after| row.inputs(after));
    write(world, &before, server);
    let old = plan(world)?["key"].clone();
    let (is_built, old_image) = match row.expectation {
        Expectation::Other => (false, None),
        Expectation::BuildKit => (true, None),
        Expectation::Same | Expectation::Either => (false, Some(image(world)?)),
    };
    if is_built {
        let outcome = world.xtask(["rebuild"]);
        if outcome.code != Some(0) {
            return Err(outcome.to_string());
        }
        if plan(world)?["action"] == "fresh" {
            return Err("it is said to be up to date".to_owned());
        }
    }
    write(world, &after, server);
    let new = plan(world)?;
    let new_image = old_image.is_some().then(|| image(world)).transpose()?;
    if old_image != new_image {
        return Err(format!("the image is another one: {old_image:?} {new_image:?}"));
    }
    match row.expectation {
        Expectation::Other if new["key"] == old => Err("the key is the same".to_owned()),
        Expectation::Same if new["key"] != old => Err("the key is another one".to_owned()),
        Expectation::BuildKit if new["action"] == "fresh" => Err("it is said to be up to date".to_owned()),
        _ => Ok(()),
    }
}

#[test]
fn every_change_makes_of_the_key_what_the_table_says() {
    let server = serve_text(Arc::new(Mutex::new("text".to_owned())));
    let (rows, wrong) = (rows::rows(), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (rows, wrong, server) = (&rows, &wrong, &server);
            scope.spawn(move || {
                let mut world = World::of(&[]);
                let name = world.name.clone();
                for (number, row) in rows.iter().enumerate().skip(worker).step_by(WORKERS) {
                    world.name = format!("{name}t{number}");
                    if let Err(error) = check(&mut world, row, server) {
                        let line = format!("{} ({:?} {}): {error}", row.title, row.expectation, row.reason);
                        wrong.lock().unwrap().push(line);
                    }
                    world.remove_images();
                    for (variable, _) in [false, true].into_iter().flat_map(|after| row.inputs(after).variables) {
                        world.set_or_remove(&variable, None);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
