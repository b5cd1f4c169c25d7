//! `gatehouse bus`: the events that nodes and doors publish.

use clap::{Args, Subcommand, ValueEnum};
use gatehouse_core::door::DoorEvent;
use gatehouse_core::event::{DensityEvent, EntryEvent, LevelEvent, MapEvent, TallyEvent};
use gatehouse_core::health::HealthEvent;
use gatehouse_core::load::NodeLoad;
use gatehouse_core::rollup::RollUp;
use gatehouse_terminal::{Failure, print};
use schemars::schema_for;

/// Print the JSON Schemas of the events on the bus
#[derive(Debug, Subcommand)]
pub(crate) enum BusCommand {
    Schema(SchemaArgs),
}

/// Print the JSON Schema of one event, or of all events in one object
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The event; all, if left out
    #[arg(value_enum)]
    event: Option<EventName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EventName {
    /// A gate's decision, `gate/<gate>/entry`
    Entry,
    /// A gate's counts of one minute, `gate/<gate>/tally`
    Tally,
    /// A crowd camera's counts, `crowd/<camera>/density`
    Density,
    /// A zone's new level, `crowd/<camera>/level`
    Level,
    /// A crowd camera's density grid, `crowd/<camera>/map`
    Map,
    /// The sum of crowd cameras, `crowd/rollup` of a site and `area/rollup`
    Rollup,
    /// A camera's state, `camera/<camera>/health`
    Health,
    /// A node's load, `node/<node>/load`
    Load,
    /// A door's state, `door/<door>/state`
    Door,
}

pub(crate) fn print_schema(args: &SchemaArgs) -> Result<(), Failure> {
    let schema = args.event.map_or_else(all_schemas, schema);
    print::line(&serde_json::to_string_pretty(&schema)?)
}

fn schema(event: EventName) -> serde_json::Value {
    match event {
        EventName::Entry => schema_for!(EntryEvent).into(),
        EventName::Tally => schema_for!(TallyEvent).into(),
        EventName::Density => schema_for!(DensityEvent).into(),
        EventName::Level => schema_for!(LevelEvent).into(),
        EventName::Map => schema_for!(MapEvent).into(),
        EventName::Rollup => schema_for!(RollUp).into(),
        EventName::Health => schema_for!(HealthEvent).into(),
        EventName::Load => schema_for!(NodeLoad).into(),
        EventName::Door => schema_for!(DoorEvent).into(),
    }
}

fn all_schemas() -> serde_json::Value {
    let schemas = EventName::value_variants().iter().filter_map(|event| {
        let name = event.to_possible_value()?.get_name().to_owned();
        Some((name, schema(*event)))
    });
    serde_json::Value::Object(schemas.collect())
}

#[cfg(test)]
mod tests {
    /// Programs that read the events rely on this file: changing it changes the interface.
    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ref/events.schema.json");
        let generated = serde_json::to_string_pretty(&super::all_schemas()).expect("a schema is JSON") + "\n";
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &generated).expect("the file can be written");
        }
        let committed = std::fs::read_to_string(path).expect("docs/ref/events.schema.json exists");
        assert_eq!(committed, generated, "run UPDATE_DOCS=1 cargo test --workspace the_committed_schema");
    }
}
