//! Endpoints of the bus, and hosts with ports.

use std::fmt;
use std::net::Ipv6Addr;

/// A zenoh endpoint, `tcp/HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(String);

impl Endpoint {
    /// The endpoint in zenoh's notation.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A port of the loopback interface, which the system chooses.
    pub(crate) fn any_port_of_loopback() -> Endpoint {
        Endpoint("tcp/127.0.0.1:0".to_owned())
    }

    /// `None` if the text is no endpoint, or if its port is 0 and the system may not choose one.
    pub(crate) fn parse(text: &str, may_choose_port: bool) -> Option<Endpoint> {
        let authority = text.strip_prefix("tcp/")?;
        let (_, port) = host_and_port(authority)?;
        let usable = port.is_some_and(|port| port > 0 || may_choose_port);
        usable.then(|| Endpoint(text.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Splits `HOST[:PORT]`. HOST is a name, an IPv4 address or `[IPv6]` (RFC 3986, 3.2.2).
pub(crate) fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_end = match authority.strip_prefix('[') {
        Some(rest) => {
            let address = rest.split_once(']')?.0;
            address.parse::<Ipv6Addr>().ok()?;
            address.len() + 2
        }
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_end);
    let named = host.starts_with('[') || host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    let port = match port.strip_prefix(':') {
        // `parse` alone would accept "+80".
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
        None if port.is_empty() => None,
        None => return None,
    };
    (named && !host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, host_and_port};

    #[test]
    fn host_and_port_are_separated() {
        for (text, expected) in [
            ("cam", Some(("cam", None))),
            ("192.0.2.1:554", Some(("192.0.2.1", Some(554)))),
            ("[::1]:7447", Some(("[::1]", Some(7447)))),
            ("[::1]", Some(("[::1]", None))),
            ("[::1]7447", None),
            ("[::1", None),
            ("[cam]:1", None),
            ("::1:7447", None),
            ("cam:", None),
            ("cam:+80", None),
            ("cam:65536", None),
            (":80", None),
            ("a b:80", None),
            ("", None),
        ] {
            assert_eq!(host_and_port(text), expected, "{text:?}");
        }
    }

    #[test]
    fn only_a_listener_may_leave_its_port_to_the_system() {
        assert_eq!(Endpoint::parse("tcp/[::]:0", true).unwrap().as_str(), "tcp/[::]:0");
        for (text, may_choose_port) in
            [("tcp/[::]:0", false), ("tcp/host", true), ("udp/host:1", true), ("host:1", true)]
        {
            assert_eq!(Endpoint::parse(text, may_choose_port), None, "{text}");
        }
    }
}
