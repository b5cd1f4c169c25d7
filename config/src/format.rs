//! What a text must look like.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Name,
    Area,
    ModelName,
    /// A name in any language, for people.
    Title,
    Path,
    Secret,
    Source,
    Listen,
    Connect,
    ConsoleAddress,
    /// `1 in N`
    Rate,
    PublicKey,
    HttpUrl,
    HostPort,
    /// A part of a command line. It may be a password, so it is never shown.
    Argument,
}

impl Format {
    /// Whether the text is of this format, for formats whose value stays a text.
    pub(crate) fn accepts(self, text: &str) -> bool {
        match self {
            Format::Name => is_name(text),
            Format::Area => is_area(text),
            Format::ModelName => {
                let is_made_of_names = text.split(['_', '.']).all(|part| part.is_empty() || is_name(part));
                is_made_of_names && (1..=64).contains(&text.len())
            }
            Format::Title => is_title(text),
            Format::HostPort => {
                matches!(crate::endpoint::host_and_port(text), Some((_, Some(port))) if port > 0)
            }
            Format::Argument => !text.contains('\0'),
            _ => false,
        }
    }

    /// True for a public key too: a site's secret also has 64 digits, and may be pasted by mistake.
    pub(crate) fn may_hold_a_secret(self) -> bool {
        use Format::{Area, ConsoleAddress, HostPort, ModelName, Name, Path, Rate, Title};
        !matches!(self, Name | Area | ModelName | Title | Path | ConsoleAddress | Rate | HostPort)
    }

    /// Completes "must be …".
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Format::Name => "text of 1 to 64 characters out of a-z, 0-9 and `-`",
            Format::Area => "1 to 8 names joined by `/`, each of 1 to 64 characters out of a-z, 0-9 and `-`",
            Format::ModelName => "text of 1 to 64 characters out of a-z, 0-9, `-`, `_` and `.`",
            Format::Title => "text of 1 to 64 characters in one line, without spaces around it",
            Format::Path => "the path of a file or folder",
            Format::Secret => "a secret reference, `file:PATH`, `env:NAME` or `credential:NAME`",
            Format::Source => "`rtsp://HOST[:PORT]/PATH`, `file://PATH` or `test://PATTERN`",
            Format::Listen | Format::Connect => "a zenoh endpoint, `tcp/HOST:PORT`",
            Format::ConsoleAddress => "an address of this machine with a port, `127.0.0.1:PORT` or `[::1]:PORT`",
            Format::Rate => "a rate, `1 in N`, N from 2 to 1000000000",
            Format::PublicKey => "a public key: 64 hexadecimal digits, or `file:PATH` of a file that holds them",
            Format::HttpUrl => "`http://HOST[:PORT]/PATH`",
            Format::HostPort => "`HOST:PORT`",
            Format::Argument => "text without a NUL character",
        }
    }

    /// What to do about a text that is not of this format.
    pub(crate) fn help(self) -> Option<&'static str> {
        match self {
            Format::Secret => Some("do not write the secret into this file: put it into its own file or a variable"),
            Format::HostPort => Some("the usual port of Modbus-TCP is 502"),
            _ => None,
        }
    }

    /// What JSON Schema can hold of the format, as an ECMA-262 regular expression. The reader is
    /// stricter.
    pub(crate) fn pattern(self) -> &'static str {
        match self {
            Format::Name => "^[a-z0-9-]{1,64}$",
            Format::Area => "^[a-z0-9-]{1,64}(/[a-z0-9-]{1,64}){0,7}$",
            Format::ModelName => "^[a-z0-9._-]{1,64}$",
            Format::Title => "^\\S(.{0,62}\\S)?$",
            Format::Path => "^[^\\u0000]+$",
            Format::Secret => "^(file:.+|env:[A-Za-z_][A-Za-z0-9_]*|credential:[A-Za-z0-9_-][A-Za-z0-9_.-]*)$",
            Format::Source => "^([Rr][Tt][Ss][Pp]://[^@]+|file://.+|test://[a-z0-9-]+)$",
            Format::Listen | Format::Connect => "^tcp/.+:[0-9]+$",
            Format::ConsoleAddress => "^(127\\.[0-9.]+|\\[::1\\]):[0-9]+$",
            Format::Rate => "^1 in [1-9][0-9,]*$",
            Format::PublicKey => "^([0-9a-fA-F]{64}|file:.+)$",
            Format::HttpUrl => "^http://[^@]+$",
            Format::HostPort => "^.+:[0-9]+$",
            Format::Argument => "^[^\\u0000]*$",
        }
    }
}

pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_title(text: &str) -> bool {
    (1..=64).contains(&text.chars().count()) && text.trim() == text && !text.contains(char::is_control)
}

/// True for an area's path: up to eight names of small letters, digits and `-`, joined by `/`.
pub fn is_area(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    levels.len() <= 8 && levels.iter().all(|level| is_name(level))
}
