//! What the value of a key must be: kind, range and unit.

use std::fmt;
use std::ops::RangeInclusive;

use crate::format::Format;
use crate::polygon::{MAX_CORNERS, MIN_CORNERS};
use crate::spec::TableSpec;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Integer {
        min: i64,
        max: i64,
        unit: Unit,
    },
    Number {
        min: f64,
        max: f64,
        unit: Unit,
    },
    Boolean,
    OneOf(&'static [&'static str]),
    Text(Format),
    Polygon,
    /// `count` times `[x, y]`. A single point stands without a list around it.
    Points {
        count: usize,
        min: f64,
        max: f64,
        unit: Unit,
    },
    List(&'static Kind),
    Table(&'static TableSpec),
    Tables(&'static TableSpec),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    None,
    Milliseconds,
    Seconds,
    Days,
    Named(&'static str),
}

pub(crate) const fn integer(range: RangeInclusive<i64>) -> Kind {
    Kind::Integer { min: *range.start(), max: *range.end(), unit: Unit::None }
}

/// A number, whole or not.
pub(crate) const fn number(range: RangeInclusive<f64>) -> Kind {
    Kind::Number { min: *range.start(), max: *range.end(), unit: Unit::None }
}

pub(crate) const fn milliseconds(range: RangeInclusive<i64>) -> Kind {
    integer(range).with(Unit::Milliseconds)
}

pub(crate) const fn seconds(range: RangeInclusive<f64>) -> Kind {
    number(range).with(Unit::Seconds)
}

pub(crate) const fn whole_seconds(range: RangeInclusive<i64>) -> Kind {
    integer(range).with(Unit::Seconds)
}

pub(crate) const fn days(range: RangeInclusive<i64>) -> Kind {
    integer(range).with(Unit::Days)
}

/// `count` points, of which each number is in the range.
pub(crate) const fn points(count: usize, range: RangeInclusive<f64>) -> Kind {
    Kind::Points { count, min: *range.start(), max: *range.end(), unit: Unit::None }
}

pub(crate) const NAME: Kind = Kind::Text(Format::Name);
pub(crate) const NAMES: Kind = Kind::List(&NAME);
pub(crate) const AREA: Kind = Kind::Text(Format::Area);
pub(crate) const MODEL_NAME: Kind = Kind::Text(Format::ModelName);
pub(crate) const TITLE: Kind = Kind::Text(Format::Title);
pub(crate) const LISTEN: Kind = Kind::List(&Kind::Text(Format::Listen));
pub(crate) const CONNECT: Kind = Kind::List(&Kind::Text(Format::Connect));
pub(crate) const HOST_PORT: Kind = Kind::Text(Format::HostPort);
pub(crate) const ARGUMENTS: Kind = Kind::List(&Kind::Text(Format::Argument));

impl Kind {
    pub(crate) const fn unit(self, name: &'static str) -> Kind {
        self.with(Unit::Named(name))
    }

    const fn with(self, unit: Unit) -> Kind {
        match self {
            Kind::Integer { min, max, .. } => Kind::Integer { min, max, unit },
            Kind::Number { min, max, .. } => Kind::Number { min, max, unit },
            Kind::Points { count, min, max, .. } => Kind::Points { count, min, max, unit },
            other => other,
        }
    }

    /// The keys below, where the value is a table or a list of tables.
    pub(crate) fn table(&self) -> Option<&'static TableSpec> {
        match self {
            Kind::Table(table) | Kind::Tables(table) => Some(table),
            _ => None,
        }
    }

    /// Whether a value may hold a password, by right or by mistake, so that no message repeats it.
    pub(crate) fn may_hold_a_secret(&self) -> bool {
        match self {
            Kind::Text(format) => format.may_hold_a_secret(),
            Kind::List(item) => item.may_hold_a_secret(),
            _ => false,
        }
    }
}

impl Unit {
    /// The name of the unit; empty where there is none.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Unit::None => "",
            Unit::Milliseconds => "milliseconds",
            Unit::Seconds => "seconds",
            Unit::Days => "days",
            Unit::Named(name) => name,
        }
    }
}

impl fmt::Display for Unit {
    /// Follows a range.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "" => Ok(()),
            name => write!(f, " ({name})"),
        }
    }
}

impl fmt::Display for Kind {
    /// Completes "must be …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Integer { min, max, .. } if min == max => write!(f, "{min}"),
            Kind::Integer { min, max, unit } => write!(f, "a whole number from {min} to {max}{unit}"),
            Kind::Number { min, max, unit } => write!(f, "a number from {min} to {max}{unit}"),
            Kind::Boolean => f.write_str("`true` or `false`"),
            Kind::OneOf(choices) => one_of(f, choices),
            Kind::Text(format) => f.write_str(format.describe()),
            Kind::Polygon => {
                write!(f, "a list of {MIN_CORNERS} to {MAX_CORNERS} corners `[x, y]`, each number from 0 to 1")
            }
            Kind::Points { count: 1, min, max, unit } => {
                write!(f, "a point `[x, y]`, each number from {min} to {max}{unit}")
            }
            Kind::Points { count, min, max, unit } => {
                write!(f, "a list of {count} points `[x, y]`, each number from {min} to {max}{unit}")
            }
            Kind::List(item) => write!(f, "a list in square brackets, each item {item}"),
            Kind::Table(table) => write!(f, "a table, written as {}", table.heading),
            Kind::Tables(table) => write!(f, "a list of tables, each written as {}", table.heading),
        }
    }
}

/// `"a"`, `"b"` or `"c"`, as they are written in the file.
fn one_of(f: &mut fmt::Formatter<'_>, choices: &[&str]) -> fmt::Result {
    for (index, choice) in choices.iter().enumerate() {
        let before = match index {
            0 => "",
            last if last + 1 == choices.len() => " or ",
            _ => ", ",
        };
        write!(f, "{before}`\"{choice}\"`")?;
    }
    Ok(())
}
