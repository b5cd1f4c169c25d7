//! The address of a device that is driven over HTTP.

use std::fmt;

use crate::endpoint::host_and_port;
use crate::value::Invalid;

/// An `http://` URL without login. `Display` and `Debug` leave the query out: it may hold a token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// The whole URL, for the client that connects. Not for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads an `http://` URL. Errors never repeat the text: it may hold a password anywhere.
    pub(crate) fn parse(text: &str) -> Result<HttpUrl, Invalid> {
        let Some(rest) = text.strip_prefix("http://") else {
            return Err(match text.strip_prefix("https://") {
                Some(_) => Invalid::because("this version supports only plain `http://` for an actuator")
                    .help("put the device and this machine on a separate network"),
                None => Invalid::NotOfKind,
            });
        };
        let (authority, place) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if text.contains('@') {
            return Err(Invalid::because("the address contains a login, which would end up in logs and backups")
                .help("put the header that logs in into a secret: `header = \"file:PATH\"`"));
        }
        if place.chars().any(|c| !c.is_ascii_graphic() || c == '#') {
            return Err(Invalid::because("the address contains a character that a URL can't")
                .help("write it percent-encoded: a blank is `%20`, `#` is `%23`"));
        }
        match host_and_port(authority) {
            Some((_, port)) if port != Some(0) => Ok(HttpUrl(text.to_owned())),
            _ => Err(Invalid::because("there is no valid host and port after `http://`")
                .help("write `http://HOST/PATH` or `http://HOST:PORT/PATH`, an IPv6 host in square brackets")),
        }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once('?') {
            Some((place, _)) => write!(f, "{place}?…"),
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({self})")
    }
}
