//! The JSON Schemas of a site file and of a door file, for editors that check and complete TOML.

use serde_json::{Map, Value, json};

use crate::door::DoorFile;
use crate::kind::{Kind, Unit};
use crate::polygon::{MAX_CORNERS, MIN_CORNERS};
use crate::reader::Table;
use crate::site::Site;
use crate::spec::{KeyIn, Presence, TableSpec};

/// The JSON Schema (draft 2020-12) of a site file. It rejects less than [`Site::parse`]: it can't
/// express crossing sides of a polygon or two cameras of one name, for example.
pub fn schema() -> Value {
    let mut schema = document(const { &<Site as Table>::SPEC }, "gatehouse site file");
    schema["anyOf"] = json!([{ "required": ["gate"] }, { "required": ["crowd"] }]);
    schema
}

/// The JSON Schema (draft 2020-12) of a door file. It rejects less than [`DoorFile::parse`]: it
/// does not check that an actuator has the keys of its kind and no others.
pub fn door_schema() -> Value {
    document(const { &<DoorFile as Table>::SPEC }, "gatehouse door file")
}

fn document(root: &'static TableSpec, title: &str) -> Value {
    let mut schema = table(root);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(title);
    schema
}

fn table(table: &'static TableSpec) -> Value {
    let properties: Map<String, Value> =
        table.keys().map(|found| (found.key.name.to_owned(), property(found))).collect();
    let is_required = |found: &KeyIn| matches!(found.key.presence, Presence::Required) && found.only_for.is_none();
    let required: Vec<&str> = table.keys().filter(is_required).map(|found| found.key.name).collect();
    json!({
        "type": "object",
        "description": table.about.trim_start(),
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(KeyIn { key, only_for }: KeyIn) -> Value {
    let mut schema = value(&key.kind);
    schema["description"] = json!(key.doc.trim_start());
    // A default of one kind of table would be an unknown key in the others.
    if let (Presence::Default(text), None) = (key.presence, only_for) {
        schema["default"] = to_json(text);
    }
    schema["examples"] = json!([to_json(key.example)]);
    schema
}

fn value(kind: &Kind) -> Value {
    match kind {
        Kind::Integer { min, max, unit } => {
            with_unit(json!({ "type": "integer", "minimum": min, "maximum": max }), *unit)
        }
        Kind::Number { min, max, unit } => {
            with_unit(json!({ "type": "number", "minimum": min, "maximum": max }), *unit)
        }
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::OneOf(choices) => json!({ "enum": choices }),
        Kind::Text(format) => json!({ "type": "string", "pattern": format.pattern() }),
        Kind::List(item) => json!({ "type": "array", "items": value(item) }),
        Kind::Polygon => {
            json!({ "type": "array", "items": point(0.0, 1.0), "minItems": MIN_CORNERS, "maxItems": MAX_CORNERS })
        }
        Kind::Points { count: 1, min, max, .. } => point(*min, *max),
        Kind::Points { count, min, max, .. } => {
            json!({ "type": "array", "items": point(*min, *max), "minItems": count, "maxItems": count })
        }
        Kind::Table(below) => table(below),
        Kind::Tables(below) => json!({ "type": "array", "items": table(below) }),
    }
}

/// JSON Schema has no units. Readers ignore what they don't know; people see it.
fn with_unit(mut schema: Value, unit: Unit) -> Value {
    if unit != Unit::None {
        schema["x-unit"] = json!(unit.name());
    }
    schema
}

fn point(min: f64, max: f64) -> Value {
    let part = json!({ "type": "number", "minimum": min, "maximum": max });
    json!({ "type": "array", "items": part, "minItems": 2, "maxItems": 2 })
}

fn to_json(text: &str) -> Value {
    let table: Map<String, Value> =
        toml::from_str(&format!("value = {text}")).unwrap_or_else(|_| unreachable!("declarations are TOML"));
    table["value"].clone()
}
