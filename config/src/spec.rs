//! How the keys of a file are described: the types of the tables in `keys.rs`.

use std::fmt;

/// A table of a file and the keys it may hold.
#[derive(Debug)]
pub(crate) struct Table {
    /// How a person finds it, as messages name it: `[site]`, `[[crowd.zone]]`.
    pub(crate) heading: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) keys: &'static [&'static Key],
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name).copied()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.keys.iter().map(|key| key.name)
    }

    /// This table and all below it, in the order of the file.
    pub(crate) fn with_all_below(&'static self) -> Vec<&'static Table> {
        let below = self.keys.iter().filter_map(|key| key.kind.table()).flat_map(Table::with_all_below);
        std::iter::once(self).chain(below).collect()
    }
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) presence: Presence,
    /// A value that the reader takes, as TOML text.
    pub(crate) example: &'static str,
    pub(crate) meaning: &'static str,
}

/// What happens when a key is left out.
#[derive(Debug)]
pub(crate) enum Presence {
    /// The file is refused.
    Required,
    /// This TOML text is read in its place.
    Default(&'static str),
    /// There is no value; the text says what that means.
    Optional(&'static str),
}

/// What a value must be.
#[derive(Debug)]
pub(crate) enum Kind {
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Boolean,
    OneOf(&'static [&'static str]),
    Text(Format),
    Texts(Format),
    Polygon,
    Polygons,
    /// So many `[x, y]`, each number within the range; one stands by itself, without a list around it.
    Points {
        count: usize,
        min: f64,
        max: f64,
    },
    Table(&'static Table),
    Tables(&'static Table),
}

impl Kind {
    pub(crate) fn table(&self) -> Option<&'static Table> {
        match self {
            Kind::Table(table) | Kind::Tables(table) => Some(table),
            _ => None,
        }
    }

    /// Whether a value may hold a password, by right or by mistake, and so is never repeated in a message.
    pub(crate) fn may_hold_a_secret(&self) -> bool {
        matches!(
            self,
            Kind::Text(format) | Kind::Texts(format) if format.may_hold_a_secret()
        )
    }
}

impl fmt::Display for Kind {
    /// Completes "must be …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Integer { min, max } if min == max => write!(f, "{min}"),
            Kind::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Kind::Number { min, max } => write!(f, "a number from {min} to {max}"),
            Kind::Boolean => f.write_str("`true` or `false`"),
            Kind::OneOf(choices) => {
                let quoted: Vec<String> = choices.iter().map(|choice| format!("`\"{choice}\"`")).collect();
                f.write_str(&quoted.join(" or "))
            }
            Kind::Text(format) => f.write_str(format.describe()),
            Kind::Texts(format) => write!(f, "a list in square brackets, each {}", format.describe()),
            Kind::Polygon => write!(
                f,
                "a list of {} to {} corners `[x, y]`, each number from 0 to 1",
                crate::polygon::MIN_CORNERS,
                crate::polygon::MAX_CORNERS
            ),
            Kind::Polygons => write!(
                f,
                "a list of polygons, each a list of {} to {} corners `[x, y]`, each number from 0 to 1",
                crate::polygon::MIN_CORNERS,
                crate::polygon::MAX_CORNERS
            ),
            Kind::Points { count: 1, min, max } => write!(f, "a point `[x, y]`, each number from {min} to {max}"),
            Kind::Points { count, min, max } => {
                write!(f, "a list of {count} points `[x, y]`, each number from {min} to {max}")
            }
            Kind::Table(table) if table.heading.starts_with('[') => write!(f, "a table, written as {}", table.heading),
            Kind::Table(table) => {
                let keys: Vec<String> =
                    table.keys.iter().map(|key| format!("{} = {}", key.name, key.example)).collect();
                write!(f, "a table, written as `{{ {} }}`", keys.join(", "))
            }
            Kind::Tables(table) => write!(f, "a list of tables, each written as {}", table.heading),
        }
    }
}

/// What a text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Name,
    Area,
    ModelName,
    Path,
    Secret,
    Source,
    Listen,
    Connect,
    ConsoleAddress,
    /// `1 in N`
    Rate,
    /// What runs models.
    Provider,
    /// What decodes streams.
    Decoder,
    PublicKey,
    HttpUrl,
    HostPort,
    /// A part of a command line. It may be a password, so it is never shown.
    Argument,
}

impl Format {
    fn may_hold_a_secret(self) -> bool {
        match self {
            Format::Secret | Format::Source | Format::Listen | Format::Connect | Format::HttpUrl | Format::Argument => {
                true
            }
            // Whoever mistakes the site's secret for its public key has 64 digits to paste, too.
            Format::PublicKey => true,
            Format::Name
            | Format::Area
            | Format::ModelName
            | Format::Path
            | Format::ConsoleAddress
            | Format::Rate
            | Format::Provider
            | Format::Decoder
            | Format::HostPort => false,
        }
    }

    pub(crate) fn describe(self) -> &'static str {
        match self {
            Format::Name => "text of 1 to 64 characters out of a-z, 0-9 and `-`",
            Format::Area => "1 to 8 names joined by `/`, each of 1 to 64 characters out of a-z, 0-9 and `-`",
            Format::ModelName => "text of 1 to 64 characters out of a-z, 0-9, `-`, `_` and `.`",
            Format::Path => "the path of a file or folder",
            Format::Secret => "a secret reference, `file:PATH`, `env:NAME` or `credential:NAME`",
            Format::Source => "`rtsp://HOST[:PORT]/PATH`, `file://PATH` or `test://PATTERN`",
            Format::Listen | Format::Connect => "a zenoh endpoint, `tcp/HOST:PORT`",
            Format::ConsoleAddress => "an address of this machine with a port, `127.0.0.1:PORT` or `[::1]:PORT`",
            Format::Rate => "a rate, `1 in N`, N from 2 to 1000000000",
            Format::Decoder => "`software`, `vaapi` or `nvdec`",
            Format::Provider => "`cpu`, `openvino`, `cuda` or `tensorrt`",
            Format::PublicKey => "a public key: 64 hexadecimal digits, or `file:PATH` of a file that holds them",
            Format::HttpUrl => "`http://HOST[:PORT]/PATH`",
            Format::HostPort => "`HOST:PORT`",
            Format::Argument => "text without a NUL character",
        }
    }

    /// What JSON Schema can hold of the format, as an ECMA-262 regular expression; the reader is stricter.
    pub(crate) fn pattern(self) -> &'static str {
        match self {
            Format::Name => "^[a-z0-9-]{1,64}$",
            Format::Area => "^[a-z0-9-]{1,64}(/[a-z0-9-]{1,64}){0,7}$",
            Format::ModelName => "^[a-z0-9._-]{1,64}$",
            Format::Path => "^[^\\u0000]+$",
            Format::Secret => "^(file:.+|env:[A-Za-z_][A-Za-z0-9_]*|credential:[A-Za-z0-9_-][A-Za-z0-9_.-]*)$",
            Format::Source => "^(rtsp://[^@]+|file://.+|test://[a-z0-9-]+)$",
            Format::Listen | Format::Connect => "^tcp/.+:[0-9]+$",
            Format::ConsoleAddress => "^(127\\.[0-9.]+|\\[::1\\]):[0-9]+$",
            Format::Rate => "^1 in [1-9][0-9,]*$",
            Format::Decoder => "^(software|vaapi|nvdec)$",
            Format::Provider => "^(cpu|openvino|cuda|tensorrt)$",
            Format::PublicKey => "^([0-9a-fA-F]{64}|file:.+)$",
            Format::HttpUrl => "^http://[^@]+$",
            Format::HostPort => "^.+:[0-9]+$",
            Format::Argument => "^[^\\u0000]*$",
        }
    }
}
