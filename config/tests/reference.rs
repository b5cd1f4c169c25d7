//! The documentation, the schema and the examples agree with the reader.

#![allow(clippy::unwrap_used, reason = "a test fails by it, and helpers are not seen as tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use gatehouse_config::{ConfigErrors, DoorFile, Site, door_reference, door_schema, reference, schema};
use serde_json::{Map, Value};

const FULL: &str = include_str!("../examples/site.toml");
const MINIMAL: &str = include_str!("../examples/minimal.toml");
const DOOR: &str = include_str!("../examples/door.toml");

/// A kind of file: examples that together have every key, its schema and its reader.
struct Kind {
    examples: Vec<String>,
    schema: Value,
    parse: fn(&str) -> Result<(), ConfigErrors>,
}

fn site_file() -> Kind {
    let parse = |text: &str| Site::parse(text, Path::new("site.toml")).map(drop);
    Kind { examples: vec![FULL.to_owned()], schema: schema(), parse }
}

/// The example of a door file, with its own actuator and with each of those in its comments.
fn door_file() -> Kind {
    let parse = |text: &str| DoorFile::parse(text, Path::new("door.toml")).map(drop);
    let (before, rest) = DOOR.split_once("[actuator]\n").unwrap();
    let (own, rest) = rest.split_once("\n\n").unwrap();
    let (_, after) = rest.split_once("\n[emergency]").unwrap();
    let commented = rest.split("# [actuator]\n").skip(1);
    let others = commented.map(|block| block.lines().map_while(|line| line.strip_prefix("# ")).collect::<Vec<_>>());
    let actuators: Vec<String> = std::iter::once(own.to_owned()).chain(others.map(|lines| lines.join("\n"))).collect();
    assert_eq!(actuators.len(), 3, "{actuators:?}");
    let with = |actuator: String| format!("{before}[actuator]\n{actuator}\n[emergency]{after}");
    Kind { examples: actuators.into_iter().map(with).collect(), schema: door_schema(), parse }
}

#[test]
fn the_reference_pages_are_up_to_date() {
    for (name, page) in [("config.md", reference()), ("door.md", door_reference())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ref").join(name);
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &page).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == page,
            "docs/ref/{name} is out of date: run UPDATE_DOCS=1 cargo test --workspace --test reference"
        );
    }
}

/// Every object schema with the path of its table: `gate[]`, `crowd[].zone[]`.
fn tables<'s>(path: &str, schema: &'s Value, found: &mut Vec<(String, &'s Map<String, Value>)>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    found.push((path.to_owned(), properties));
    for (name, property) in properties {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        tables(&below, property, found);
        tables(&format!("{below}[]"), &property["items"], found);
    }
}

impl Kind {
    fn tables(&self) -> Vec<(String, &Map<String, Value>)> {
        let mut found = Vec::new();
        tables("", &self.schema, &mut found);
        found
    }

    fn examples(&self) -> impl Iterator<Item = Value> {
        self.examples.iter().map(|text| toml::from_str(text).unwrap_or_else(|error| panic!("{error}")))
    }

    fn read(&self, file: &Value) -> Result<(), ConfigErrors> {
        (self.parse)(&toml::to_string(file).unwrap())
    }
}

/// The tables at a path of a file; `[]` stands for every item.
fn all_at<'v>(file: &'v mut Value, path: &str) -> Vec<&'v mut Value> {
    path.split('.').filter(|part| !part.is_empty()).fold(vec![file], |values, part| {
        let below = |value: &'v mut Value| match part.strip_suffix("[]") {
            Some(list) => value.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().collect::<Vec<_>>(),
            None => value.get_mut(part).into_iter().collect(),
        };
        values.into_iter().flat_map(below).collect()
    })
}

/// The first of them.
fn at<'v>(file: &'v mut Value, path: &str) -> &'v mut Value {
    all_at(file, path).into_iter().next().unwrap_or_else(|| panic!("no {path} in the example"))
}

#[test]
fn reader_and_examples_have_every_documented_key() {
    for (kind, expected_tables) in [(site_file(), 14), (door_file(), 5)] {
        assert_eq!(kind.tables().len(), expected_tables);
        for (path, properties) in kind.tables() {
            let mut shown = BTreeSet::new();
            for mut example in kind.examples() {
                for table in all_at(&mut example, &path) {
                    shown.extend(table.as_object().unwrap().keys().cloned());
                }
            }
            assert_eq!(shown, properties.keys().cloned().collect(), "config/examples, [{path}]");
            for name in properties.keys() {
                // No key accepts a date, so the reader reports it by the key's name.
                let mut file = kind.examples().next().unwrap();
                at(&mut file, &path)[name] = Value::from("MARK");
                let text = toml::to_string(&file).unwrap().replace("\"MARK\"", "1979-05-27");
                let errors = (kind.parse)(&text).unwrap_err();
                let expected = format!("`{name}` must be ");
                assert!(errors.iter().any(|error| error.message.starts_with(&expected)), "{path}: {errors}");
            }
        }
    }
}

#[test]
fn an_undocumented_key_is_rejected_in_every_table() {
    for kind in [site_file(), door_file()] {
        for (path, _) in kind.tables() {
            let mut file = kind.examples().next().unwrap();
            at(&mut file, &path)["zzz"] = Value::from(1);
            let errors = kind.read(&file).unwrap_err();
            assert!(errors.iter().any(|error| error.message.starts_with("unknown key `zzz`")), "{path}: {errors}");
            assert!(!valid(&kind.schema, &file), "the schema accepts it in {path}");
        }
    }
}

#[test]
fn a_crowd_camera_accepts_no_key_of_a_gate() {
    let kind = site_file();
    let keys = |table: &str| {
        let (_, keys) = kind.tables().into_iter().find(|(path, _)| path == table).unwrap();
        keys.keys().cloned().collect::<BTreeSet<_>>()
    };
    let of_gates: Vec<String> = keys("gate[]").difference(&keys("crowd[]")).cloned().collect();
    assert!(
        of_gates.contains(&"match_threshold".to_owned()) && of_gates.contains(&"liveness".to_owned()),
        "{of_gates:?}"
    );
    for key in of_gates {
        let example = kind.examples().next().unwrap();
        let mut file = example.clone();
        at(&mut file, "crowd[]")[&key] =
            example["gate"].as_array().unwrap().iter().find_map(|gate| gate.get(&key)).unwrap().clone();
        let errors = kind.read(&file).unwrap_err();
        let refused = format!("crowd cameras know no identity: [[crowd]] can't have `{key}`");
        assert!(errors.iter().any(|error| error.message == refused), "{key}: {errors}");
    }
}

#[test]
fn a_missing_key_has_the_documented_default() {
    let left_out = Site::parse(MINIMAL, Path::new("site.toml")).unwrap();
    assert_eq!((left_out.console.as_ref(), left_out.crowds[0].zones[0].id.as_str()), (None, "all"));

    // The same sites with every documented default written out, for both kinds of camera.
    let gate = "[[gate]]\nid = 'g'\nsource = 'test://ball'\nliveness = 'off'\n";
    let with_gate = Site::parse(&format!("{MINIMAL}{gate}"), Path::new("site.toml")).unwrap();
    let written = with_defaults(
        &site_file(),
        &format!("{MINIMAL}{gate}"),
        &["crowd[].zone", "crowd[].line", "crowd[].ground", "console", "match_target"],
        53,
    );
    assert_eq!(Site::parse(&written, Path::new("site.toml")).unwrap(), with_gate);

    let door = "version = 1\n[door]\nid = 'd'\ngate = 'g'\narea = 'a'\nsite = 's'\nfail = 'safe'\n\
                public_key = 'file:site.pub'\n[bus]\nconnect = ['tcp/h:1']\n[actuator]\nkind = 'log'\n";
    let read = |text: &str| DoorFile::parse(text, Path::new("door.toml")).unwrap();
    assert_eq!(read(&with_defaults(&door_file(), door, &[], 10)), read(door));
}

/// The text with every missing default written out, except in some tables.
fn with_defaults(kind: &Kind, text: &str, but: &[&str], expected: usize) -> String {
    let mut written: Value = toml::from_str(text).unwrap();
    let mut count = 0;
    for (path, properties) in kind.tables() {
        if but.iter().any(|but| path.contains(but)) {
            continue;
        }
        for (name, property) in properties {
            let table = at(&mut written, &path).as_object_mut().unwrap();
            if let Some(default) = property.get("default").filter(|_| !table.contains_key(name)) {
                table.insert(name.clone(), default.clone());
                count += 1;
            }
        }
    }
    assert_eq!(count, expected, "defaults in the schema");
    toml::to_string(&written).unwrap()
}

#[test]
fn the_reader_accepts_every_documented_example_and_default() {
    for kind in [site_file(), door_file()] {
        for (path, properties) in kind.tables() {
            for (name, property) in properties {
                let examples =
                    property["examples"].as_array().unwrap_or_else(|| panic!("{path}.{name} has no example"));
                for value in examples.iter().chain(property.get("default")) {
                    // Keys that exclude each other are in different tables of the examples.
                    let takes = |mut file: Value| {
                        for index in 0..all_at(&mut file, &path).len() {
                            let mut file = file.clone();
                            if kind.examples.len() == 1 {
                                // The example of `frames_to_agree` needs a larger window.
                                file["gate"][0]["frames_to_judge"] = Value::from(60);
                            }
                            all_at(&mut file, &path)[index][name] = value.clone();
                            if kind.read(&file).is_ok() {
                                assert!(valid(&kind.schema, &file), "the schema rejects {path}.{name} = {value}");
                                return true;
                            }
                        }
                        false
                    };
                    assert!(kind.examples().any(takes), "{path}.{name} = {value}");
                }
            }
        }
    }
}

#[test]
fn schemas_reject_wrong_types_ranges_and_missing_keys() {
    let minimal = toml::from_str(MINIMAL).unwrap();
    assert!(valid(&schema(), &minimal));
    let site = [
        ("version = 1", "version = 2"),
        ("outbox_days = 7", "outbox_days = 0"),
        ("outbox_days = 7", "outbox_days = 7.5"),
        ("analyse_fps = 10.0", "analyse_fps = 60.5"),
        ("transport = \"tcp\"", "transport = \"quic\""),
        ("liveness = \"required\"", "liveness = \"on\""),
        ("liveness = \"required\"", ""),
        (", enrolled = 8000", ""),
        ("preview = true", "preview = 1"),
        ("[0.1, 0.5], [0.6, 0.5]", "[0.1, 1.5], [0.6, 0.5]"),
        ("[0.1, 0.5], [0.6, 0.5]", "[0.1], [0.6, 0.5]"),
        ("medium = 5, ", ""),
    ];
    let door = [
        ("fail = \"secure\"", ""),
        ("fail = \"secure\"", "fail = \"open\""),
        ("unit = 1", "unit = 256"),
        ("kind = \"modbus\"", "kind = \"relay\""),
        ("connect = [\"tcp/127.0.0.1:7447\"]", ""),
    ];
    for (kind, rows) in [(site_file(), &site[..]), (door_file(), &door[..])] {
        assert!(kind.examples().all(|example| valid(&kind.schema, &example)));
        let full = &kind.examples[0];
        for (from, to) in rows {
            let text = full.replacen(from, to, 1);
            assert_ne!(&text, full, "{from}");
            assert!((kind.parse)(&text).is_err(), "the reader accepts {to}");
            assert!(!valid(&kind.schema, &toml::from_str(&text).unwrap()), "the schema accepts {to}");
        }
    }
    let without_camera = MINIMAL.split("[[crowd]]").next().unwrap();
    assert!(!valid(&schema(), &toml::from_str(without_camera).unwrap()));
}

/// Validates against the part of JSON Schema that these schemas use, without patterns.
fn valid(schema: &Value, value: &Value) -> bool {
    let kind = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64(),
        Some("number") => value.is_number(),
        Some(other) => panic!("unexpected type {other}"),
        None => true,
    };
    let within = |bound: &str, good: fn(f64, f64) -> bool, measure: Option<f64>| {
        schema[bound].as_f64().zip(measure).is_none_or(|(bound, measure)| good(measure, bound))
    };
    let count = value.as_array().map(|items| items.len() as f64);
    kind && within("minimum", |a, b| a >= b, value.as_f64())
        && within("maximum", |a, b| a <= b, value.as_f64())
        && within("minItems", |a, b| a >= b, count)
        && within("maxItems", |a, b| a <= b, count)
        && schema["enum"].as_array().is_none_or(|choices| choices.contains(value))
        && schema["anyOf"].as_array().is_none_or(|any| any.iter().any(|schema| valid(schema, value)))
        && schema["required"]
            .as_array()
            .is_none_or(|names| names.iter().filter_map(Value::as_str).all(|name| value.get(name).is_some()))
        && value
            .as_array()
            .is_none_or(|items| items.iter().all(|item| schema.get("items").is_none_or(|s| valid(s, item))))
        && value.as_object().is_none_or(|table| {
            table.iter().all(|(name, value)| match schema.get("properties") {
                Some(properties) => properties.get(name).is_some_and(|schema| valid(schema, value)),
                None => true,
            })
        })
}
