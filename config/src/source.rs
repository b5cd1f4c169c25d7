//! Reads the address of a camera's video.

use std::path::Path;

use gatehouse_core::stream::Source;

use crate::endpoint::host_and_port;
use crate::value::Invalid;

/// Words in a URL after which cameras take a login.
const LOGIN_PARAMETERS: [&str; 7] = ["user=", "username=", "usr=", "password=", "passwd=", "pwd=", "pass="];

/// Reads a source, the value of `key`. Errors never repeat the text: it may hold a password.
pub(crate) fn parse(key: &str, text: &str, folder: &Path) -> Result<Source, Invalid> {
    let Some((scheme, rest)) = text.split_once("://") else { return Err(Invalid::NotOfKind) };
    match scheme {
        "rtsp" => rtsp(key, text, rest),
        "rtsps" => Err(Invalid::because(format!(
            "`{key}` asks for RTSP over TLS (rtsps), which this version does not support"
        ))
        .help("use `rtsp://` on a network that only the cameras and this machine are on")),
        "rtspt" | "rtspu" | "rtsph" => Err(Invalid::because(format!("`{key}` must begin with `rtsp://`"))
            .help("choose TCP or UDP with `transport = \"tcp\"` or `\"udp\"`")),
        "file" if !rest.is_empty() && !rest.contains('\0') => Ok(Source::File(folder.join(rest))),
        "file" => Err(Invalid::because(format!("`{key}` names no file after `file://`"))),
        "test" if is_pattern(rest) => Ok(Source::Test(rest.to_owned())),
        "test" => Err(Invalid::because(format!(
            "`{key}` names no test pattern after `test://`; write one such as `test://ball`"
        ))),
        _ => Err(Invalid::NotOfKind),
    }
}

fn is_pattern(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn rtsp(key: &str, url: &str, rest: &str) -> Result<Source, Invalid> {
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, place) = rest.split_at(authority_end);
    let lower = place.to_lowercase();
    // A password with a slash in it pushes the `@` out of what a parser takes for the authority.
    if authority.contains('@') || place.contains('@') || LOGIN_PARAMETERS.iter().any(|word| lower.contains(word)) {
        return Err(Invalid::because(format!("`{key}` contains a login, which would end up in logs and backups"))
            .help(
                "remove it from the address and put `user:password` into an environment variable or its own file: \
             `login = \"env:NAME\"` or `login = \"file:PATH\"`",
            ));
    }
    if place.chars().any(|c| !c.is_ascii_graphic() || c == '#') {
        return Err(Invalid::because(format!("the path of `{key}` contains a character that a URL can't"))
            .help("write it percent-encoded: a blank is `%20`, `#` is `%23`"));
    }
    match host_and_port(authority) {
        Some((_, port)) if port != Some(0) => Ok(Source::Rtsp(url.to_owned().into())),
        _ => Err(Invalid::because(format!("`{key}` has no valid host and port after `rtsp://`"))
            .help("write `rtsp://HOST/PATH` or `rtsp://HOST:PORT/PATH`, an IPv6 host in square brackets")),
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
            panic!("rejected")
        };
        assert_eq!(url.as_str(), "rtsp://cam/live?token=abc");
        assert_eq!(format!("{url} {url:?}"), "rtsp://cam/live?… RtspUrl(rtsp://cam/live?…)");
    }
}
