//! `gatehouse schema`: the JSON Schemas of events and of the site and door files.

use clap::{Args, ValueEnum};
use gatehouse_core::door::DoorEvent;
use gatehouse_core::event::{DensityEvent, EntryEvent, LevelEvent, MapEvent, TallyEvent};
use gatehouse_core::health::HealthEvent;
use gatehouse_core::load::NodeLoad;
use gatehouse_core::rollup::RollUp;
use schemars::schema_for;

use crate::exit::Failure;
use crate::print;

/// Print a JSON Schema: of an event, of the site file, or of a door's file
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Which one; without it, all events in one object
    #[arg(value_enum)]
    of: Option<Of>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// A gate's decision, `gate/<gate>/entry`
    Entry,
    /// A gate's counts of a minute, `gate/<gate>/tally`
    Tally,
    /// A crowd camera's counts, `crowd/<camera>/density`
    Density,
    /// A zone's new level, `crowd/<camera>/level`
    Level,
    /// A crowd camera's density grid, `crowd/<camera>/map`
    Map,
    /// Crowd cameras summed up, `crowd/rollup` of a site and `area/rollup`
    Rollup,
    /// A camera's state, `camera/<camera>/health`
    Health,
    /// How busy a node is, `node/<node>/load`
    Load,
    /// A door's state, `door/<door>/state`
    Door,
    /// The site file
    Site,
    /// The door file
    DoorFile,
}

fn of(which: Of) -> serde_json::Value {
    match which {
        Of::Entry => schema_for!(EntryEvent).into(),
        Of::Tally => schema_for!(TallyEvent).into(),
        Of::Density => schema_for!(DensityEvent).into(),
        Of::Level => schema_for!(LevelEvent).into(),
        Of::Map => schema_for!(MapEvent).into(),
        Of::Rollup => schema_for!(RollUp).into(),
        Of::Health => schema_for!(HealthEvent).into(),
        Of::Load => schema_for!(NodeLoad).into(),
        Of::Door => schema_for!(DoorEvent).into(),
        Of::Site => gatehouse_config::schema(),
        Of::DoorFile => gatehouse_config::door_schema(),
    }
}

pub(crate) fn schema(args: &SchemaArgs) -> Result<(), Failure> {
    let schema = match args.of {
        Some(which) => of(which),
        None => events(),
    };
    print::line(&serde_json::to_string_pretty(&schema)?)?;
    Ok(())
}

fn events() -> serde_json::Value {
    serde_json::json!({
        "entry": of(Of::Entry), "tally": of(Of::Tally), "density": of(Of::Density), "level": of(Of::Level),
        "map": of(Of::Map), "rollup": of(Of::Rollup), "health": of(Of::Health), "load": of(Of::Load),
        "door": of(Of::Door),
    })
}

#[cfg(test)]
mod tests {
    /// Whoever reads the events relies on this file; a change of it is a change of the interface.
    #[test]
    fn the_committed_schema_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ref/events.schema.json");
        let generated = serde_json::to_string_pretty(&super::events()).expect("a schema is JSON") + "\n";
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &generated).expect("the file can be written");
        }
        let committed = std::fs::read_to_string(path).expect("docs/ref/events.schema.json is there");
        assert_eq!(committed, generated, "write it anew: UPDATE_DOCS=1 cargo test --workspace the_committed_schema");
    }
}
