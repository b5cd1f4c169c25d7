//! The house's rules that a compiler doesn't hold: which crate may depend on which, and who may name which native library.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Direct dependencies of every workspace crate, without those for tests only.
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

/// What each of our crates may depend on, of ours. A crate that isn't here is refused, so that a new one is given its place.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let pipeline = ["core", "capture", "batching", "credential", "gate", "crowd", "bus", "store"];
    let all: Vec<&str> = ["config", "picture", "models", "service", "sim", "console", "door", "eval"]
        .into_iter()
        .chain(pipeline)
        .collect();
    BTreeMap::from([
        ("config", vec![]),
        ("picture", vec![]),
        ("models", vec!["picture"]),
        ("core", vec!["picture"]),
        // The adapters know core and never each other.
        ("capture", vec!["core", "picture"]),
        ("bus", vec!["core"]),
        ("store", vec!["core", "credential"]),
        // Keys, signatures and codes: no clock, no file, no network.
        ("credential", vec!["core"]),
        ("batching", vec!["core"]),
        ("gate", vec!["core", "picture", "models"]),
        ("crowd", vec!["core", "picture", "models"]),
        ("service", pipeline.into_iter().chain(["config", "picture", "models"]).collect()),
        ("sim", vec![]),
        // A controller knows the site's public key and its events, and nothing of faces, people or the store.
        ("door", vec!["bus", "config", "core", "credential"]),
        ("eval", vec!["capture", "core", "crowd", "gate", "models", "picture"]),
        ("console", vec!["core", "crowd", "service"]),
        ("cli", all),
        ("testing", vec!["bus", "core", "models", "picture"]),
        ("", vec!["cli"]),
    ])
}

#[test]
fn dependencies_point_one_way() {
    let allowed = allowed();
    for (name, used) in dependencies() {
        let short = |name: &str| name.strip_prefix("gatehouse").map(|n| n.trim_start_matches('-').to_owned());
        let own = short(&name).expect("every crate of the workspace is called gatehouse-…");
        let may = allowed.get(own.as_str()).unwrap_or_else(|| panic!("crate {name} has no place in the house yet"));
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
        ("ort", &["gatehouse-models"]),
        ("opencv", &["gatehouse-models", "gatehouse-sim"]),
    ];
    let graph = dependencies();
    for (library, owners) in owners {
        let named: Vec<_> =
            graph.iter().filter(|(_, used)| used.contains(library)).map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, owners, "who names {library}");
    }
}

#[test]
fn a_crowd_camera_cannot_reach_a_gallery_or_a_decision() {
    let graph = dependencies();
    let mut reached = BTreeSet::new();
    let mut open = vec!["gatehouse-crowd".to_owned()];
    while let Some(name) = open.pop() {
        open.extend(graph.get(&name).into_iter().flatten().filter(|d| d.starts_with("gatehouse")).cloned());
        reached.insert(name);
    }
    for forbidden in ["gatehouse-gate", "gatehouse-store"] {
        assert!(!reached.contains(forbidden), "the crowd crate reaches {forbidden}");
    }
}

/// The models crate has both kinds of models, and the service wires both kinds of cameras: here the names are looked at.
#[test]
fn what_counts_names_no_model_of_faces() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |path: &str| std::fs::read_to_string(root.join(path)).expect("a source file");
    // What the modules of face models give, read from where it is given.
    let exports = text("models/src/lib.rs");
    let exports = exports.lines().filter_map(|line| line.strip_prefix("pub use ")?.strip_suffix(';'));
    let of_faces = ["align", "embedding", "liveness", "search", "sface", "template", "yunet"];
    let names: Vec<String> = exports
        .filter_map(|export| export.split_once("::").filter(|(module, _)| of_faces.contains(module)))
        .flat_map(|(_, names)| names.trim_matches(['{', '}']).split(", ").map(str::to_owned))
        .collect();
    for known in ["Face", "FaceDetector", "FaceEmbedder", "Gallery", "LivenessModel", "Template"] {
        assert!(names.iter().any(|name| name == known), "{known} is not among {names:?}");
    }
    let mut sources = Vec::new();
    let mut folders = vec![root.join("pipeline/crowd/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("its sources") {
            let path = entry.expect("a file").path();
            if path.is_dir() { folders.push(path) } else { sources.push(path) }
        }
    }
    assert!(sources.iter().any(|path| path.ends_with("crowd/tests.rs")), "those in folders too");
    sources.extend(["crowds.rs", "crowd_rules.rs"].map(|file| root.join("pipeline/service/src").join(file)));
    for source in sources {
        let code = std::fs::read_to_string(&source).expect("text");
        let code: String =
            code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        let named = words.find(|word| names.iter().any(|name| name == word));
        assert_eq!(named, None, "{}", source.display());
    }
}
