//! What is documented is what is read.

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use gatehouse_config::{Site, reference, schema};
use serde_json::{Map, Value};

const FULL: &str = include_str!("../examples/site.toml");
const MINIMAL: &str = include_str!("../examples/minimal.toml");

#[test]
fn the_reference_page_is_the_one_made_from_the_table_of_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ref/config.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, reference()).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == reference(),
        "docs/ref/config.md is out of date: run UPDATE_DOCS=1 cargo test -p gatehouse-config --test reference"
    );
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

/// The site file as JSON, and the value at a path in it; `[]` stands for the first item.
fn at<'v>(site: &'v mut Value, path: &str) -> &'v mut Value {
    path.split('.').filter(|part| !part.is_empty()).fold(site, |value, part| match part.strip_suffix("[]") {
        Some(list) => &mut value[list][0],
        None => &mut value[part],
    })
}

fn full_site() -> Value {
    toml::from_str(FULL).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_reader_knows_every_documented_key_and_the_full_example_has_them_all() {
    let schema = schema();
    let mut documented = Vec::new();
    tables("", &schema, &mut documented);
    assert_eq!(documented.len(), 10, "{documented:?}");
    for (path, properties) in documented {
        let mut site = full_site();
        let table = at(&mut site, &path).as_object().unwrap();
        let shown: BTreeSet<&String> = table.keys().collect();
        assert_eq!(shown, properties.keys().collect(), "config/examples/site.toml, [{path}]");
        for name in properties.keys() {
            // No key takes a date, so one that the reader looks at complains of it by name.
            let mut site = full_site();
            at(&mut site, &path)[name] = Value::from("MARK");
            let text = toml::to_string(&site).unwrap().replace("\"MARK\"", "1979-05-27");
            let errors = Site::parse(&text, Path::new("site.toml")).unwrap_err();
            let expected = format!("`{name}` must be ");
            assert!(errors.iter().any(|error| error.message.starts_with(&expected)), "{path}: {errors}");
        }
    }
}

#[test]
fn an_undocumented_key_is_refused_in_every_table() {
    let schema = schema();
    let mut documented = Vec::new();
    tables("", &schema, &mut documented);
    for (path, _) in documented {
        let mut site = full_site();
        at(&mut site, &path)["zzz"] = Value::from(1);
        let errors = Site::parse(&toml::to_string(&site).unwrap(), Path::new("site.toml")).unwrap_err();
        assert!(errors.iter().any(|error| error.message.starts_with("unknown key `zzz`")), "{path}: {errors}");
        assert!(!valid(&schema, &site), "the schema takes it in {path}");
    }
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let left_out = Site::parse(MINIMAL, Path::new("site.toml")).unwrap();
    assert_eq!((left_out.console.as_ref(), left_out.crowds[0].zones[0].id.as_str()), (None, "all"));

    // The same sites with every documented default written out, for both kinds of camera.
    let gate = "[[gate]]\nid = 'g'\nsource = 'test://ball'\nliveness = 'off'\n";
    let with_gate = Site::parse(&format!("{MINIMAL}{gate}"), Path::new("site.toml")).unwrap();
    let mut written: Value = toml::from_str(&format!("{MINIMAL}{gate}")).unwrap();
    let schema = schema();
    let mut documented = Vec::new();
    tables("", &schema, &mut documented);
    let mut count = 0;
    for (path, properties) in documented.into_iter().filter(|(path, _)| !path.contains("zone") && path != "console") {
        for (name, property) in properties {
            let table = at(&mut written, &path).as_object_mut().unwrap();
            if let Some(default) = property.get("default").filter(|_| !table.contains_key(name)) {
                table.insert(name.clone(), default.clone());
                count += 1;
            }
        }
    }
    assert_eq!(count, 30, "defaults in the schema");
    assert_eq!(Site::parse(&toml::to_string(&written).unwrap(), Path::new("site.toml")).unwrap(), with_gate);
}

#[test]
fn every_example_and_default_in_the_table_of_keys_is_one_that_the_reader_takes() {
    let schema = schema();
    let mut documented = Vec::new();
    tables("", &schema, &mut documented);
    for (path, properties) in documented {
        for (name, property) in properties {
            let examples = property["examples"].as_array().unwrap_or_else(|| panic!("{path}.{name} has no example"));
            for value in examples.iter().chain(property.get("default")) {
                let mut site = full_site();
                // Its example for `frames_to_agree` needs room.
                site["gate"][0]["frames_to_judge"] = Value::from(60);
                at(&mut site, &path)[name] = value.clone();
                let text = toml::to_string(&site).unwrap();
                if let Err(errors) = Site::parse(&text, Path::new("site.toml")) {
                    panic!("{path}.{name} = {value}: {errors}");
                }
                assert!(valid(&schema, &site), "the schema refuses {path}.{name} = {value}");
            }
        }
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses_for_its_type_range_or_absence() {
    let schema = schema();
    assert!(valid(&schema, &full_site()) && valid(&schema, &toml::from_str(MINIMAL).unwrap()));
    for (from, to) in [
        ("version = 1", "version = 2"),
        ("outbox_days = 7", "outbox_days = 0"),
        ("outbox_days = 7", "outbox_days = 7.5"),
        ("analyse_fps = 10.0", "analyse_fps = 60.5"),
        ("transport = \"tcp\"", "transport = \"quic\""),
        ("liveness = \"off\"", "liveness = \"on\""),
        ("liveness = \"off\"", ""),
        ("preview = true", "preview = 1"),
        ("[0.1, 0.4], [0.6, 0.4]", "[0.1, 1.4], [0.6, 0.4]"),
        ("[0.1, 0.4], [0.6, 0.4]", "[0.1], [0.6, 0.4]"),
        ("medium = 5, ", ""),
    ] {
        let text = FULL.replacen(from, to, 1);
        assert_ne!(text, FULL, "{from}");
        assert!(Site::parse(&text, Path::new("site.toml")).is_err(), "the reader takes {to}");
        assert!(!valid(&schema, &toml::from_str(&text).unwrap()), "the schema takes {to}");
    }
    let without_camera = MINIMAL.split("[[crowd]]").next().unwrap();
    assert!(!valid(&schema, &toml::from_str(without_camera).unwrap()));
}

/// As much of JSON Schema as ours uses, but for patterns.
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
