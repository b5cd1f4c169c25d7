//! Where a camera's pictures come from.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::endpoint::host_and_port;
use crate::reader::Refusal;

/// Where a camera's pictures come from. Holds no login, so its `Display` and `Debug` can go to a log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A camera that speaks RTSP (RFC 2326).
    Rtsp(RtspUrl),
    /// A video file; a relative path has been joined to the site file's folder.
    File(PathBuf),
    /// A made-up picture, by the name of its pattern (`smpte`, `ball`, …).
    Test(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Rtsp(url) => url.fmt(f),
            Source::File(path) => write!(f, "file://{}", path.display()),
            Source::Test(pattern) => write!(f, "test://{pattern}"),
        }
    }
}

/// An `rtsp://` URL without user and password.
///
/// `Display` and `Debug` leave the query out: some cameras take a token there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RtspUrl(String);

impl RtspUrl {
    /// The whole URL, for the client that connects. Not for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once('?') {
            Some((place, _)) => write!(f, "{place}?…"),
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtspUrl({self})")
    }
}

/// Words in a URL after which cameras take a login.
const LOGIN_PARAMETERS: [&str; 7] = ["user=", "username=", "usr=", "password=", "passwd=", "pwd=", "pass="];

/// Reads a source, the value of `key`. The refusal never repeats any of the text, since a password may stand anywhere in it.
pub(crate) fn parse(key: &str, text: &str, folder: &Path) -> Result<Source, Refusal> {
    let Some((scheme, rest)) = text.split_once("://") else { return Err(Refusal::UNLIKE) };
    match scheme {
        "rtsp" => rtsp(key, text, rest),
        "rtsps" => {
            Err(Refusal::because(format!("`{key}` asks for RTSP over TLS (rtsps), which this version can't do"))
                .with_help("use `rtsp://` on a network that only the cameras and this machine are on"))
        }
        "rtspt" | "rtspu" | "rtsph" => Err(Refusal::because(format!("`{key}` must begin with `rtsp://`"))
            .with_help("choose TCP or UDP with `transport = \"tcp\"` or `\"udp\"`")),
        "file" if !rest.is_empty() && !rest.contains('\0') => Ok(Source::File(folder.join(rest))),
        "file" => Err(Refusal::because(format!("`{key}` names no file after `file://`"))),
        "test" if is_pattern(rest) => Ok(Source::Test(rest.to_owned())),
        "test" => Err(Refusal::because(format!(
            "`{key}` names no test pattern after `test://`; write one such as `test://ball`"
        ))),
        _ => Err(Refusal::UNLIKE),
    }
}

fn is_pattern(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn rtsp(key: &str, url: &str, rest: &str) -> Result<Source, Refusal> {
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, place) = rest.split_at(authority_end);
    let lower = place.to_lowercase();
    // A password with a slash in it pushes the `@` out of what a parser takes for the authority.
    if authority.contains('@') || place.contains('@') || LOGIN_PARAMETERS.iter().any(|word| lower.contains(word)) {
        return Err(Refusal::because(format!("`{key}` holds a login, which would end up in logs and backups"))
            .with_help(
                "take it out of the address and put `user:password` into an environment variable or a file of its own: \
             `login = \"env:NAME\"` or `login = \"file:PATH\"`",
            ));
    }
    if place.chars().any(|c| !c.is_ascii_graphic() || c == '#') {
        return Err(Refusal::because(format!("the path of `{key}` holds a character that a URL can't"))
            .with_help("write it percent-encoded: a blank is `%20`, `#` is `%23`"));
    }
    match host_and_port(authority) {
        Some((_, port)) if port != Some(0) => Ok(Source::Rtsp(RtspUrl(url.to_owned()))),
        _ => Err(Refusal::because(format!("`{key}` has no host and port that can be used after `rtsp://`"))
            .with_help("write `rtsp://HOST/PATH` or `rtsp://HOST:PORT/PATH`, an IPv6 host in square brackets")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_every_kind_are_read() {
        let folder = Path::new("/etc/gatehouse");
        let read = |text| parse("source", text, folder).unwrap();
        assert_eq!(read("rtsp://[2001:db8::1]:554/a?x=1").to_string(), "rtsp://[2001:db8::1]:554/a?…");
        assert_eq!(read("file:///var/a.mp4"), Source::File("/var/a.mp4".into()));
        assert_eq!(read("file://clips/a.mp4"), Source::File("/etc/gatehouse/clips/a.mp4".into()));
        assert_eq!(read("test://ball"), Source::Test("ball".to_owned()));
    }

    #[test]
    fn a_query_is_kept_for_the_client_and_kept_from_logs() {
        let Ok(Source::Rtsp(url)) = parse("source", "rtsp://cam/live?token=abc", Path::new("")) else {
            panic!("refused")
        };
        assert_eq!(url.as_str(), "rtsp://cam/live?token=abc");
        assert_eq!(format!("{url} {url:?}"), "rtsp://cam/live?… RtspUrl(rtsp://cam/live?…)");
    }
}
