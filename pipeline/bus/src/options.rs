//! Where a session listens and connects, and as what.

use std::fmt;

use gatehouse_core::bus_mode::BusMode;
use zenoh::config::EndPoint;

use crate::error::BusError;

/// The transport that this build carries.
const PROTOCOL: &str = "tcp";

/// Where a bus or a watcher is to be found, and whom it looks for. Endpoints are written as in
/// zenoh: `tcp/192.0.2.7:7447`, or `tcp/0.0.0.0:0` for any free port of any interface.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BusOptions {
    /// How it takes part. `None`: as a client if it connects and does not listen, else as a peer.
    pub mode: Option<BusMode>,
    /// Where a peer listens; nowhere if empty.
    pub listen: Vec<String>,
    /// Whom to connect to; tried again for ever, in the background. A peer connects to all of them,
    /// a client to the first that answers.
    pub connect: Vec<String>,
    /// Whether a peer also connects to the peers that those it is connected to know of. The access
    /// rules of a router do not apply to such connections.
    pub gossip: bool,
}

impl BusOptions {
    /// Options of an end that listens there.
    pub fn listening(listen: Vec<String>) -> Self {
        Self { listen, ..Self::default() }
    }

    /// Options of an end that connects there, and does not listen.
    pub fn connecting(connect: Vec<String>) -> Self {
        Self { connect, ..Self::default() }
    }

    /// Options of a receiver that hears every node or router that it is given: a client of one, and
    /// a peer of several, because a client uses one connection at a time.
    pub fn hearing_all(connect: Vec<String>) -> Self {
        let mode = (connect.len() > 1).then_some(BusMode::Peer);
        Self { mode, ..Self::connecting(connect) }
    }

    /// How this end takes part.
    pub fn mode(&self) -> BusMode {
        self.mode.unwrap_or(BusMode::default_for(!self.listen.is_empty(), !self.connect.is_empty()))
    }

    /// Checks the mode and each endpoint.
    ///
    /// # Errors
    /// If a client listens or has nobody to connect to, or if an endpoint can't be read or wants a
    /// transport that this build doesn't have.
    pub fn check(&self) -> Result<(), BusError> {
        if self.mode() == BusMode::Client {
            if !self.listen.is_empty() {
                return Err(BusError::Mode("a client does not listen"));
            }
            if self.connect.is_empty() {
                return Err(BusError::Mode("a client needs a node or router to connect to"));
            }
        }
        for endpoint in self.listen.iter().chain(&self.connect) {
            let refuse = |reason| Err(BusError::Endpoint { endpoint: shown(endpoint), reason });
            match endpoint.parse::<EndPoint>() {
                Err(_) => return refuse("expected PROTOCOL/ADDRESS:PORT, such as tcp/192.0.2.7:7447".to_owned()),
                Ok(parsed) if parsed.protocol().as_str() != PROTOCOL => {
                    return refuse(format!("transport `{}` is not in this build; use {PROTOCOL}", parsed.protocol()));
                }
                Ok(parsed) if !has_port(parsed.address().as_str()) => {
                    return refuse("expected a port after the address, such as :7447, or :0 for any".to_owned());
                }
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// zenoh's words about these endpoints, unless they repeat something that may be a credential.
    pub(crate) fn reason(&self, error: impl fmt::Display) -> String {
        let text = error.to_string();
        let tells = |endpoint: &String| hidden_parts(endpoint).iter().any(|part| text.contains(part));
        if self.listen.iter().chain(&self.connect).any(tells) {
            return "the reason names an endpoint's credentials and is not shown".to_owned();
        }
        text
    }
}

impl fmt::Display for BusOptions {
    /// The endpoints without user, password and configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |endpoints: &[String]| match endpoints {
            [] => "nowhere".to_owned(),
            some => some.iter().map(|endpoint| shown(endpoint)).collect::<Vec<_>>().join(", "),
        };
        let (listen, connect) = (list(&self.listen), list(&self.connect));
        write!(f, "{}, listening at {listen}; connecting to {connect}", self.mode())
    }
}

impl fmt::Debug for BusOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BusOptions({self})")
    }
}

fn has_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// An endpoint without what stands before an `@` or after `?` and `#`.
fn shown(endpoint: &str) -> String {
    let plain = endpoint.split(['?', '#']).next().unwrap_or_default();
    match plain.rsplit_once('@') {
        Some((before, address)) => format!("{}/***@{address}", before.split('/').next().unwrap_or_default()),
        None => plain.to_owned(),
    }
}

/// The parts that [`shown`] leaves out, each value on its own, since zenoh may write them in
/// another order.
fn hidden_parts(endpoint: &str) -> Vec<&str> {
    let (plain, rest) = match endpoint.find(['?', '#']) {
        Some(at) => endpoint.split_at(at),
        None => (endpoint, ""),
    };
    let user = plain.rsplit_once('@').map(|(before, _)| before.split_once('/').map_or(before, |(_, user)| user));
    let values = rest.split(['?', '#', ';']).filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
    user.into_iter().flat_map(|user| user.split(':')).chain(values).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(endpoint: &str) -> BusOptions {
        BusOptions::listening(vec![endpoint.to_owned()])
    }

    #[test]
    fn an_endpoint_that_can_not_work_is_named() {
        for (endpoint, expected) in [
            ("localhost:7447", "expected PROTOCOL/ADDRESS:PORT"),
            ("tcp/localhost", "expected a port"),
            ("tcp/:1", "expected a port"),
            ("tls/localhost:7447", "transport `tls` is not in this build"),
        ] {
            let error = listening(endpoint).check().expect_err(endpoint).to_string();
            assert!(error.contains(endpoint) && error.contains(expected), "{error}");
        }
        for endpoint in ["tcp/127.0.0.1:0", "tcp/[::1]:7447", "tcp/gate.example:7447"] {
            listening(endpoint).check().expect(endpoint);
        }
    }

    #[test]
    fn an_end_that_only_connects_is_a_client() {
        let some = || vec!["tcp/127.0.0.1:7447".to_owned()];
        assert_eq!(BusOptions::connecting(some()).mode(), BusMode::Client);
        assert_eq!(BusOptions::listening(some()).mode(), BusMode::Peer);
        assert_eq!(BusOptions::default().mode(), BusMode::Peer);
        assert_eq!(BusOptions { connect: some(), ..BusOptions::listening(some()) }.mode(), BusMode::Peer);
        assert_eq!(BusOptions::hearing_all(some()).mode(), BusMode::Client);
        assert_eq!(BusOptions::hearing_all([some(), some()].concat()).mode(), BusMode::Peer);
        for listen in [Vec::new(), some()] {
            let client = BusOptions { mode: Some(BusMode::Client), ..BusOptions::listening(listen) };
            assert!(matches!(client.check(), Err(BusError::Mode(_))), "{client}");
        }
    }

    #[test]
    fn credentials_of_an_endpoint_are_never_shown() {
        let options = listening("tls/operator:hunter2@host:7447?rel=0#private_key=c2VjcmV0;verify=no");
        let texts = [
            options.to_string(),
            format!("{options:?}"),
            options.check().expect_err("no TLS here").to_string(),
            options.reason("can't bind tls/operator:hunter2@host:7447"),
            options.reason("bad key c2VjcmV0"),
        ];
        for text in texts {
            assert!(!["operator", "hunter2", "c2VjcmV0"].iter().any(|secret| text.contains(secret)), "{text}");
        }
        assert_eq!(options.reason("address in use"), "address in use");
        assert!(options.to_string().contains("tls/***@host:7447"), "{options}");
    }
}
