//! The JSON Schemas of a site file and of a door file, for editors that check and complete TOML.

use serde_json::{Map, Value, json};

use crate::keys;
use crate::polygon::{MAX_CORNERS, MIN_CORNERS};
use crate::spec::{Key, Kind, Presence, Table};

/// The JSON Schema (draft 2020-12) of a site file.
///
/// What it refuses, [`Site::parse`](crate::Site::parse) refuses too; the reader also checks what a schema can't say, such
/// as crossing sides of a polygon or two cameras of one name.
pub fn schema() -> Value {
    let mut schema = document(&keys::ROOT, "gatehouse site file");
    schema.insert("anyOf".to_owned(), json!([{ "required": ["gate"] }, { "required": ["crowd"] }]));
    Value::Object(schema)
}

/// The JSON Schema (draft 2020-12) of a door file.
///
/// What it refuses, [`Door::parse`](crate::Door::parse) refuses too; the reader also checks that an actuator has the keys
/// of its kind and no others.
pub fn door_schema() -> Value {
    Value::Object(document(&keys::door::ROOT, "gatehouse door file"))
}

fn document(root: &Table, title: &str) -> Map<String, Value> {
    let mut schema = table(root);
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!(title));
    schema
}

fn table(table: &Table) -> Map<String, Value> {
    let properties: Map<String, Value> = table.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required = table.keys.iter().filter(|key| matches!(key.presence, Presence::Required)).map(|key| key.name);
    let required: Vec<&str> = required.collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    if !table.meaning.is_empty() {
        schema.insert("description".to_owned(), json!(table.meaning));
    }
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("required".to_owned(), json!(required));
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = match &key.kind {
        Kind::Integer { min, max } => object(json!({ "type": "integer", "minimum": min, "maximum": max })),
        Kind::Number { min, max } => object(json!({ "type": "number", "minimum": min, "maximum": max })),
        Kind::Boolean => object(json!({ "type": "boolean" })),
        Kind::OneOf(choices) => object(json!({ "enum": choices })),
        Kind::Text(format) => object(json!({ "type": "string", "pattern": format.pattern() })),
        Kind::Texts(format) => {
            object(json!({ "type": "array", "items": { "type": "string", "pattern": format.pattern() } }))
        }
        Kind::Polygon => object(polygon()),
        Kind::Polygons => object(json!({ "type": "array", "items": polygon() })),
        Kind::Points { count: 1, min, max } => object(point(*min, *max)),
        Kind::Points { count, min, max } => {
            object(json!({ "type": "array", "items": point(*min, *max), "minItems": count, "maxItems": count }))
        }
        Kind::Table(below) => table(below),
        Kind::Tables(below) => object(json!({ "type": "array", "items": table(below) })),
    };
    schema.insert("description".to_owned(), json!(key.meaning));
    if let Presence::Default(text) = key.presence {
        schema.extend(to_json(text).map(|value| ("default".to_owned(), value)));
    }
    schema.extend(to_json(key.example).map(|value| ("examples".to_owned(), json!([value]))));
    Value::Object(schema)
}

fn point(min: f64, max: f64) -> Value {
    let part = json!({ "type": "number", "minimum": min, "maximum": max });
    json!({ "type": "array", "items": part, "minItems": 2, "maxItems": 2 })
}

fn polygon() -> Value {
    json!({ "type": "array", "items": point(0.0, 1.0), "minItems": MIN_CORNERS, "maxItems": MAX_CORNERS })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => Map::from_iter([("const".to_owned(), other)]),
    }
}

/// A TOML value as JSON.
fn to_json(text: &str) -> Option<Value> {
    let mut table: Map<String, Value> = toml::from_str(&format!("value = {text}")).ok()?;
    table.remove("value")
}
