//! Checks which crate may depend on which, and which crates may name a native library.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Direct dependencies of each workspace crate, without dev-dependencies.
fn dependencies() -> Graph {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let text = |v: &serde_json::Value| v.as_str().expect("a string").to_owned();
    metadata["packages"]
        .as_array()
        .expect("a list of packages")
        .iter()
        .map(|package| {
            let used = package["dependencies"].as_array().expect("a list").iter().filter(|d| d["kind"].is_null());
            (text(&package["name"]), used.map(|d| text(&d["name"])).collect())
        })
        .collect()
}

/// Allowed dependencies between workspace crates. A crate that is missing here is refused.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let pipeline = ["core", "login", "capture", "batching", "credential", "gate", "crowd", "bus", "store"];
    let all: Vec<&str> = ["config", "faces", "people", "picture", "runtime", "service", "console", "door", "terminal"]
        .into_iter()
        .chain(pipeline)
        .collect();
    BTreeMap::from([
        ("config", vec!["core", "picture"]),
        ("picture", vec![]),
        ("runtime", vec!["core", "picture"]),
        ("faces", vec!["picture", "runtime"]),
        ("people", vec!["picture", "runtime"]),
        ("core", vec!["picture"]),
        // Adapters depend on core and never on each other.
        ("capture", vec!["core", "login", "picture"]),
        ("bus", vec!["core"]),
        ("store", vec!["core", "credential"]),
        // Answers to a device that asks for a login: no clock, no file, no network.
        ("login", vec!["core"]),
        // Keys, signatures and codes: no clock, no file, no network.
        ("credential", vec!["core"]),
        ("batching", vec!["core"]),
        ("gate", vec!["core", "credential", "faces", "picture", "runtime"]),
        // Crowd cameras must not know identities, so faces are missing here.
        ("crowd", vec!["core", "people", "picture", "runtime"]),
        ("service", pipeline.into_iter().chain(["config", "faces", "people", "picture", "runtime"]).collect()),
        ("sim", vec![]),
        // A controller knows the site's public key and its events; no faces, no people, no store.
        ("door", vec!["bus", "config", "core", "credential", "login"]),
        ("eval", vec!["capture", "core", "crowd", "faces", "gate", "people", "picture", "runtime"]),
        ("console", vec!["core", "crowd", "service"]),
        ("cli", all),
        ("testing", vec!["bus", "core", "gate", "picture", "runtime"]),
        ("terminal", vec!["core"]),
        ("lab", vec!["bus", "core", "eval", "runtime", "sim", "terminal"]),
        ("", vec!["cli"]),
    ])
}

#[test]
fn dependencies_point_one_way() {
    let allowed = allowed();
    for (name, used) in dependencies() {
        let short = |name: &str| name.strip_prefix("gatehouse").map(|n| n.trim_start_matches('-').to_owned());
        let own = short(&name).expect("each crate of the workspace is named gatehouse-…");
        let may = allowed
            .get(own.as_str())
            .unwrap_or_else(|| panic!("crate {name} is missing in the table of allowed dependencies"));
        for dependency in used.iter().filter_map(|d| short(d)) {
            assert!(may.contains(&dependency.as_str()), "{name} must not depend on gatehouse-{dependency}");
        }
    }
}

#[test]
fn each_native_library_is_named_in_one_place() {
    let owners: [(&str, &[&str]); 5] = [
        ("gstreamer", &["gatehouse-capture", "gatehouse-sim"]),
        ("zenoh", &["gatehouse-bus"]),
        ("rusqlite", &["gatehouse-store"]),
        ("ort", &["gatehouse-runtime"]),
        ("opencv", &["gatehouse-runtime", "gatehouse-sim"]),
    ];
    let graph = dependencies();
    for (library, owners) in owners {
        let named: Vec<_> =
            graph.iter().filter(|(_, used)| used.contains(library)).map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, owners, "who names {library}");
    }
}

#[test]
fn the_crowd_crate_cannot_reach_faces_gates_or_the_store() {
    let graph = dependencies();
    let reached = reached_from("gatehouse-crowd", &graph);
    assert!(reached.contains("gatehouse-people"), "{reached:?}");
    for forbidden in ["gatehouse-faces", "gatehouse-gate", "gatehouse-store"] {
        assert!(graph.contains_key(forbidden), "no crate {forbidden}");
        assert!(!reached.contains(forbidden), "the crowd crate reaches {forbidden}");
    }
}

/// The program that holds a site's keys links neither the simulator nor the evaluation, and none of
/// the libraries that only they need.
#[test]
fn gatehouse_links_nothing_of_the_laboratory() {
    let graph = dependencies();
    let forbidden =
        ["gatehouse-sim", "gatehouse-eval", "gatehouse-lab", "gstreamer-rtsp-server", "flate2", "tiny-skia"];
    let reached = reached_from("gatehouse", &graph);
    assert!(reached.contains("gatehouse-cli") && reached.contains("gatehouse-store"), "{reached:?}");
    for name in forbidden {
        assert!(graph.contains_key(name) || graph.values().any(|used| used.contains(name)), "{name} is unknown");
        assert!(!reached.contains(name), "gatehouse reaches {name}");
    }
}

/// The crates and libraries that a crate depends on, directly or through other crates of the
/// workspace.
fn reached_from(crate_name: &str, graph: &Graph) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![crate_name.to_owned()];
    while let Some(name) = open.pop() {
        if reached.insert(name.clone()) {
            open.extend(graph.get(&name).into_iter().flatten().cloned());
        }
    }
    reached
}
