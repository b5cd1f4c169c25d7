//! A camera's address, and the addresses that its answers refer to (RFC 2326, section 3.2).

use gatehouse_core::stream::{Login, PASSWORD_PLACEHOLDER, RtspUrl, USER_PLACEHOLDER};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The port of RTSP (RFC 2326, section 9.1).
const DEFAULT_PORT: u16 = 554;
/// The characters that need no percent-encoding in a path or query (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An `rtsp://` address that is ready to be sent. It may hold a login: it has no `Debug`, and no
/// text for operators is made of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an address, without brackets, with an IPv6 zone if there is one.
    host: String,
    port: u16,
    /// The address as it is sent: without a zone, which has a meaning on this machine only
    /// (RFC 6874, section 1).
    url: String,
}

impl Address {
    /// Fills the login into the address's placeholders. `None` if it is no RTSP address.
    pub(crate) fn of(source: &RtspUrl, login: Option<&Login>) -> Option<Self> {
        let url = source.as_str();
        let Some(login) = login.filter(|_| source.needs_login()) else {
            return Self::parse(url);
        };
        let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
        // A user that is called `{password}` is filled in as it is.
        let parts: Vec<_> = url
            .split(USER_PLACEHOLDER)
            .map(|part| part.replace(PASSWORD_PLACEHOLDER, &encoded(&login.password)))
            .collect();
        Self::parse(&parts.join(&encoded(&login.user)))
    }

    /// `None` if the text is no RTSP address. A login before the host is left out.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = after_scheme(text.trim())?;
        let (authority, place) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => inner.split_once(']')?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().ok().filter(|port| *port != 0)?,
            None if port.is_empty() => DEFAULT_PORT,
            None => return None,
        };
        let (plain, zone) = match host.split_once('%') {
            Some((plain, zone)) => (plain, Some(zone.strip_prefix("25").unwrap_or(zone))),
            None => (host, None),
        };
        if plain.is_empty() || plain.chars().any(char::is_whitespace) {
            return None;
        }
        let shown = if authority.starts_with('[') { format!("[{plain}]") } else { plain.to_owned() };
        let stated_port = if authority.contains("]:") || (!authority.starts_with('[') && authority.contains(':')) {
            format!(":{port}")
        } else {
            String::new()
        };
        let host = zone.map_or_else(|| plain.to_owned(), |zone| format!("{plain}%{zone}"));
        Some(Self { host, port, url: format!("rtsp://{shown}{stated_port}{place}") })
    }

    /// The host to resolve, and the port.
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The address as requests state it. Not for logs.
    pub(crate) fn as_str(&self) -> &str {
        &self.url
    }

    /// True if both name the same host, whatever the port.
    pub(crate) fn has_host_of(&self, other: &Self) -> bool {
        self.host.eq_ignore_ascii_case(&other.host)
    }

    /// Where a redirection's `Location` leads.
    ///
    /// # Errors
    /// In words for an operator, if it leads out of RTSP or nowhere.
    pub(crate) fn redirected(&self, location: &str) -> Result<Self, &'static str> {
        let location = location.trim();
        if let Some(address) = Self::parse(location) {
            return Ok(address);
        }
        if after_scheme(location).is_some() {
            return Err("the camera redirects to an address that can't be read");
        }
        if location.contains("://") {
            return Err("the camera redirects to an address that is not RTSP");
        }
        let place = location.trim_start_matches('/');
        if place.is_empty() {
            return Err("the camera redirects, and does not say where to");
        }
        let root = &self.url[..authority_end(&self.url)];
        Self::parse(&format!("{root}/{place}")).ok_or("the camera redirects to an address that can't be read")
    }
}

fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    scheme.eq_ignore_ascii_case("rtsp").then_some(rest)
}

/// Where the path or the query of an address begins.
fn authority_end(url: &str) -> usize {
    let start = url.find("://").map_or(0, |at| at + 3);
    url[start..].find(['/', '?']).map_or(url.len(), |at| start + at)
}

/// The base of all `control` attributes of a description: `Content-Base`, else `Content-Location`,
/// else the address that was asked (RFC 2326, appendix C.1.1).
pub(crate) fn base_of(asked: &str, content_base: Option<&str>, content_location: Option<&str>) -> String {
    let given = |value: Option<&str>| {
        let value = value?.trim().trim_matches('"');
        if after_scheme(value).is_some() {
            return Some(value.to_owned());
        }
        let place = value.strip_prefix('/')?;
        Some(format!("{}/{place}", &asked[..authority_end(asked)]))
    };
    given(content_base).or_else(|| given(content_location)).unwrap_or_else(|| asked.to_owned())
}

/// The addresses that a `control` attribute may mean, the likeliest first.
///
/// Cameras append it to the base, with its query; so do all clients. RFC 3986 resolves it otherwise
/// if the base has a query or the attribute begins with `/`: that comes second.
pub(crate) fn control_urls(base: &str, control: Option<&str>) -> Vec<String> {
    let control = control.unwrap_or_default().trim();
    if control.is_empty() || control == "*" {
        return vec![base.to_owned()];
    }
    if after_scheme(control).is_some() {
        return vec![control.to_owned()];
    }
    let slash = if base.ends_with('/') || control.starts_with('/') { "" } else { "/" };
    let appended = if base.ends_with('/') {
        format!("{base}{}", control.trim_start_matches('/'))
    } else {
        format!("{base}{slash}{control}")
    };
    let root = &base[..authority_end(base)];
    let resolved = if control.starts_with('/') {
        format!("{root}{control}")
    } else {
        let query = base[root.len()..].find('?').map_or(base.len(), |at| root.len() + at);
        let path = &base[..query];
        let folder = path[root.len()..].rfind('/').map_or(root, |at| &path[..root.len() + at]);
        format!("{folder}/{control}")
    };
    if resolved == appended { vec![appended] } else { vec![appended, resolved] }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Option<(String, u16, String)> {
        Address::parse(text).map(|a| (a.host, a.port, a.url))
    }

    #[test]
    fn hosts_ports_and_zones_are_read() {
        let expect = |host: &str, port, url: &str| Some((host.to_owned(), port, url.to_owned()));
        for (text, expected) in [
            ("rtsp://cam", expect("cam", 554, "rtsp://cam")),
            ("RTSP://cam:8554/a?b=/c", expect("cam", 8554, "rtsp://cam:8554/a?b=/c")),
            ("rtsp://cam?x=1", expect("cam", 554, "rtsp://cam?x=1")),
            ("rtsp://[2001:db8::1]/a", expect("2001:db8::1", 554, "rtsp://[2001:db8::1]/a")),
            ("rtsp://[fe80::1%25eth0]:554/", expect("fe80::1%eth0", 554, "rtsp://[fe80::1]:554/")),
            ("rtsp://[fe80::1%eth0]/", expect("fe80::1%eth0", 554, "rtsp://[fe80::1]/")),
            ("rtsp://u:p@cam/a", expect("cam", 554, "rtsp://cam/a")),
            ("http://cam/a", None),
            ("rtsp://cam:0/", None),
            ("rtsp://:554/", None),
            ("rtsp:///a", None),
            ("rtsp://[::1/a", None),
            ("cam", None),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn placeholders_become_the_encoded_login() {
        let login = Login { user: "{password}".to_owned().into(), password: "a/b?c d&é%".to_owned().into() };
        let source = RtspUrl::from("rtsp://cam:554/user={user}_password={password}_stream=0.sdp?p={password}");
        let filled = Address::of(&source, Some(&login)).unwrap();
        let password = "a%2Fb%3Fc%20d%26%C3%A9%25";
        let expected = format!("rtsp://cam:554/user=%7Bpassword%7D_password={password}_stream=0.sdp?p={password}");
        assert_eq!(filled.as_str(), expected);
    }

    #[test]
    fn redirections_stay_in_rtsp() {
        let from = Address::parse("rtsp://cam:554/a/b?c").unwrap();
        let to = |location| from.redirected(location).map(|address| address.url);
        assert_eq!(to("rtsp://cam:8554/moved"), Ok("rtsp://cam:8554/moved".to_owned()));
        assert_eq!(to("/moved?d"), Ok("rtsp://cam:554/moved?d".to_owned()));
        for bad in ["http://cam/", "file:///etc/passwd", "rtsps://cam/", ""] {
            assert!(to(bad).is_err(), "{bad}");
        }
        assert!(from.has_host_of(&Address::parse("rtsp://CAM:8554/").unwrap()));
        assert!(!from.has_host_of(&Address::parse("rtsp://cam2/").unwrap()));
    }

    #[test]
    fn control_attributes_of_real_cameras_are_resolved() {
        let base = "rtsp://cam/live/";
        for (base, control, expected) in [
            (base, None, vec![base]),
            (base, Some(""), vec![base]),
            (base, Some("*"), vec![base]),
            (base, Some("trackID=1"), vec!["rtsp://cam/live/trackID=1"]),
            ("rtsp://cam/live", Some("trackID=1"), vec!["rtsp://cam/live/trackID=1", "rtsp://cam/trackID=1"]),
            (base, Some("/trackID=1"), vec!["rtsp://cam/live/trackID=1", "rtsp://cam/trackID=1"]),
            (base, Some("rtsp://10.0.0.1/x"), vec!["rtsp://10.0.0.1/x"]),
            (base, Some("RTSP://10.0.0.1/x"), vec!["RTSP://10.0.0.1/x"]),
            (
                "rtsp://cam/realmonitor?channel=1&subtype=0/",
                Some("trackID=0"),
                vec!["rtsp://cam/realmonitor?channel=1&subtype=0/trackID=0", "rtsp://cam/trackID=0"],
            ),
            ("rtsp://cam", Some("a?b=1"), vec!["rtsp://cam/a?b=1"]),
        ] {
            assert_eq!(control_urls(base, control), expected, "{base} {control:?}");
        }
    }

    #[test]
    fn the_base_is_the_first_usable_one() {
        let asked = "rtsp://cam:554/live?x=1";
        assert_eq!(base_of(asked, Some("rtsp://10.0.0.1/live/"), None), "rtsp://10.0.0.1/live/");
        assert_eq!(base_of(asked, Some(""), Some("rtsp://cam/l")), "rtsp://cam/l");
        assert_eq!(base_of(asked, Some("/live/"), None), "rtsp://cam:554/live/");
        assert_eq!(base_of(asked, Some("nonsense"), None), asked);
        assert_eq!(base_of(asked, None, None), asked);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in ".{0,60}", control in ".{0,30}") {
            for text in [text.clone(), format!("rtsp://{text}")] {
                let _ = Address::parse(&text).map(|address| address.redirected(&control).is_ok());
                control_urls(&text, Some(&control));
                base_of(&text, Some(&control), None);
            }
        }
    }
}
