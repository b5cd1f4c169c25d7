use super::*;

pub(crate) const SMALL: &str = r#"name = "small"
version = "1"
task = "person-detection"
description = "For tests."
licence = "MIT"
card = "small.md"

[file]
path = "small.onnx"
sha256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
bytes = 3

[[input]]
name = "picture"
type = "f32"
shape = ["batch", 3, "height", "width"]
layout = "NCHW"
colour = "BGR"
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]
multiple_of = 32
default_size = [640, 384]

[[output]]
name = "scores"
type = "f32"
shape = ["batch", "cells", 2]
"#;

fn refusal(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    Manifest::parse(&SMALL.replacen(from, to, 1), "small.toml").expect_err("a wrong manifest").to_string()
}

#[test]
fn a_minimal_manifest_is_read() {
    let manifest = Manifest::parse(SMALL, "small.toml").expect("a manifest");
    assert_eq!(manifest.task, Task::PersonDetection);
    assert_eq!(manifest.inputs[0].size(), Size { width: 640, height: 384 });
    assert_eq!(manifest.inputs[0].shape_for(4), Ok([4, 3, 384, 640]));
    assert_eq!(manifest.file.sha256.to_string(), "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4");
    assert!(manifest.sources.is_empty() && manifest.convert.is_none() && manifest.threshold.is_none());
}

#[test]
fn mistakes_are_named_with_their_line() {
    for (from, to, message) in [
        (
            "licence =",
            "license =",
            "small.toml:5: unknown field `license`, expected one of `name`, `version`, `task`, \
          `description`, `licence`, `licence_note`, `opt_in`, `card`, `file`, `source`, `convert`, `input`, `output`, `threshold`, `calibration`, `counting`",
        ),
        (
            "person-detection",
            "person-tracking",
            "small.toml:3: unknown variant `person-tracking`, expected one of \
          `face-detection`, `face-embedding`, `face-liveness`, `person-detection`, `crowd-density`",
        ),
        (
            "8f23",
            "8f2",
            "small.toml:10: a SHA-256 has 64 hexadecimal digits, got \
          `8f283e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4`",
        ),
        (
            "\"small.onnx\"",
            "\"../small.onnx\"",
            "small.toml:9: `../small.onnx` is not a path below a folder (no `..`, no \
          leading `/`)",
        ),
        ("bytes = 3", "bytes = -3", "small.toml:11: invalid value: integer `-3`, expected u64"),
        (
            "name = \"small\"",
            "name = \"My model\"",
            "small.toml:1: a model's name has only a–z, 0–9, `-` and `_`, got \
          `My model`",
        ),
        ("3, \"height\"", "0, \"height\"", "small.toml:16: a dimension is 1 or more, got 0"),
        (
            "3, \"height\"",
            "1.5, \"height\"",
            "small.toml:16: invalid type: floating point `1.5`, expected a dimension: a \
          number of 1 or more, or a name",
        ),
        ("std = [1.0", "std = [0.0", "small.toml:20: a standard deviation is above 0"),
        ("mean = [0.0", "mean = [nan", "small.toml:19: a mean is a finite number"),
        ("version = \"1\"\n", "", "small.toml:1: missing field `version`"),
        (
            "[640, 384]",
            "[640, 360]",
            "small.toml: input `picture`: default_size is 640×360, expected even sides, \
          multiples of 32",
        ),
        (
            "multiple_of = 32",
            "multiple_of = 0",
            "small.toml: input `picture`: default_size is 640×384, expected even \
          sides, multiples of 0",
        ),
        ("[\"batch\", 3", "[1, 3", "small.toml: tensor `picture`: the first dimension is the batch and must be a name"),
        (
            "\"height\", \"width\"",
            "640, 640",
            "small.toml: input `picture`: dimension `640` does not fit height of \
          [\"batch\", 3, 384, 640]",
        ),
        ("\"height\", \"width\"", "\"size\"", "small.toml: input `picture`: NCHW has 4 dimensions, got 3"),
        ("[[output]]\nname = \"scores\"\ntype = \"f32\"\nshape = [\"batch\", \"cells\", 2]\n", "output = []", ""),
    ] {
        let got = refusal(from, to);
        if message.is_empty() {
            assert!(got.starts_with("small.toml:"), "{got}");
        } else {
            assert_eq!(got, message);
        }
    }
}

#[test]
fn a_source_needs_a_member() {
    let text = format!("{SMALL}\n[[source]]\nkind = \"npm\"\npackage = \"a\"\nversion = \"1\"\nmember = []\n");
    let error = Manifest::parse(&text, "small.toml").expect_err("no member");
    assert_eq!(error.to_string(), "small.toml: source `a` names no member");
}

#[test]
fn the_manifests_that_ship_are_right() {
    let catalogue = Catalogue::builtin().expect("the manifests that ship");
    let names: Vec<&str> = catalogue.iter().map(|manifest| manifest.name.as_str()).collect();
    assert_eq!(names, ["crowd", "crowd-int8", "csrnet", "fr-liveness", "nanodet", "nanodet-int8", "sface", "yunet"]);
    for manifest in catalogue.iter() {
        assert!(!manifest.sources.is_empty(), "{} can't be fetched", manifest.name);
        let is_measured = match manifest.task {
            Task::CrowdDensity => manifest.counting.is_some(),
            _ => manifest.threshold.is_some(),
        };
        assert!(is_measured, "{}: nothing says how good it is", manifest.name);
    }
}

#[test]
fn a_folder_adds_and_replaces_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("mine.toml"), SMALL).expect("written");
    std::fs::write(folder.path().join("notes.txt"), "no manifest").expect("written");
    let mut catalogue = Catalogue::default();
    catalogue.add(Manifest { version: "old".to_owned(), ..Manifest::parse(SMALL, "small.toml").expect("a manifest") });
    catalogue.add_folder(folder.path()).expect("one manifest");
    assert_eq!(catalogue.iter().count(), 1);
    assert_eq!(catalogue.get("small").expect("there").version, "1");

    std::fs::write(folder.path().join("same.toml"), SMALL).expect("written");
    let error = catalogue.add_folder(folder.path()).expect_err("twice the same name");
    assert!(error.message.contains("two manifests are named `small`"), "{error}");
}
