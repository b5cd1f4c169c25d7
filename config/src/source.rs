//! Reads the address of a camera's video.

use std::path::Path;

use gatehouse_core::stream::{PASSWORD_PLACEHOLDER, Source, USER_PLACEHOLDER};

use crate::endpoint::host_and_port;
use crate::value::Invalid;

/// Parameters in which cameras take a login.
const LOGIN_PARAMETERS: [&str; 7] = ["user", "username", "usr", "password", "passwd", "pwd", "pass"];

/// Reads a source, the value of `key`. Errors never repeat the text: it may hold a password.
pub(crate) fn parse(key: &str, text: &str, folder: &Path) -> Result<Source, Invalid> {
    let Some((scheme, rest)) = text.split_once("://") else { return Err(Invalid::NotOfKind) };
    match scheme.to_ascii_lowercase().as_str() {
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
    // A password with a slash in it pushes the `@` out of what a parser takes for the authority.
    if authority.contains('@') || place.contains('@') || has_written_login(place) {
        return Err(Invalid::because(format!("`{key}` contains a login, which would end up in logs and backups"))
            .help(
                "remove it from the address and put `user:password` into an environment variable or its own file: \
             `login = \"env:NAME\"` or `login = \"file:PATH\"`; where the camera takes it in the path or query, write \
             `{user}` and `{password}` in its place",
            ));
    }
    let braces = place.replace(USER_PLACEHOLDER, "").replace(PASSWORD_PLACEHOLDER, "");
    if braces.contains(['{', '}']) {
        return Err(Invalid::because(format!("the path of `{key}` has a place in braces that has no meaning"))
            .help("`{user}` and `{password}` stand for the login; write other braces as `%7B` and `%7D`"));
    }
    if place.chars().any(|c| !c.is_ascii_graphic() || c == '#') {
        return Err(Invalid::because(format!("the path of `{key}` contains a character that a URL can't"))
            .help("write it percent-encoded: a blank is `%20`, `#` is `%23`"));
    }
    match host_and_port(&without_zone(authority)) {
        Some((_, port)) if port != Some(0) => Ok(Source::Rtsp(url.to_owned().into())),
        _ => Err(Invalid::because(format!("`{key}` has no valid host and port after `rtsp://`"))
            .help("write `rtsp://HOST/PATH` or `rtsp://HOST:PORT/PATH`, an IPv6 host in square brackets")),
    }
}

/// True if a path with a query contains a user or password as text. Names of parameters are
/// compared as a whole: `compass=north` is none. Some cameras separate them by `_` in the path.
fn has_written_login(place: &str) -> bool {
    let (path, query) = place.split_once('?').unwrap_or((place, ""));
    let in_path = path.split(['/', '_', '&', ';']);
    in_path.chain(query.split(['?', '&', ';', '/'])).any(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return false };
        let is_login = LOGIN_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known));
        is_login && ![USER_PLACEHOLDER, PASSWORD_PLACEHOLDER].contains(&value)
    })
}

/// Without the zone of an IPv6 address, `[fe80::1%25eth0]` (RFC 6874) or `[fe80::1%eth0]`.
fn without_zone(authority: &str) -> String {
    let zone = authority.strip_prefix('[').and_then(|rest| {
        let (address, zone) = rest.split_once(']')?.0.split_once('%')?;
        let is_name =
            |zone: &str| !zone.is_empty() && zone.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        is_name(zone).then(|| (address.len() + 1, zone.len() + 1))
    });
    match zone {
        Some((begin, length)) => [&authority[..begin], &authority[begin + length..]].concat(),
        None => authority.to_owned(),
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
    fn addresses_of_real_cameras_are_read() {
        let is_read = |text| matches!(parse("source", text, Path::new("")), Ok(Source::Rtsp(_)));
        for text in [
            "RTSP://cam/live",
            "rtsp://[fe80::1%25eth0]/",
            "rtsp://[fe80::1%eth0]:554/live",
            "rtsp://192.0.2.1/live?compass=north",
            "rtsp://192.0.2.1/s?bypass=1",
            "rtsp://192.0.2.1/surpass=1/superuser=2",
            "rtsp://192.0.2.1:554/user={user}_password={password}_channel=1_stream=0.sdp",
            "rtsp://192.0.2.1/live?user={user}&pwd={password}",
            "rtsp://192.0.2.1/{user}/{password}/ch1",
        ] {
            assert!(is_read(text), "{text}");
        }
        for text in [
            "rtsp://192.0.2.1:554/user=admin_password=x_channel=1_stream=0.sdp",
            "rtsp://192.0.2.1/live?user={user}&pwd=x",
            "rtsp://192.0.2.1/live?a=1&PassWord=x",
            "rtsp://192.0.2.1/live;usr=x",
            "rtsp://192.0.2.1/{token}",
            "rtsp://[fe80::1%]/",
            "rtsp://[fe80::1%a b]/",
        ] {
            assert!(!is_read(text), "{text}");
        }
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
