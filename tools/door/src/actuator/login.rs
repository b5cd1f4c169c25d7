//! Logs in at an HTTP device: Digest (RFC 7616) or Basic (RFC 7617), as its challenge asks.

use gatehouse_config::SecretRef;
use gatehouse_core::stream::Login;
use gatehouse_login::{Authorization, Request};
use ureq::http::{HeaderMap, HeaderValue, header};

/// The login of a device, and the device's last challenge.
pub(super) struct DeviceLogin {
    login: Login,
    /// Where the login stands, for messages.
    pub(super) place: SecretRef,
    /// The device that gave the challenge, `host:port`, and the answer to it. Nobody else gets it.
    authorization: Option<(String, Authorization)>,
}

/// What a request is for: its method, its address as in the request line, and its body.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    pub(super) uri: &'a str,
    pub(super) body: &'a [u8],
}

impl<'a> Target<'a> {
    /// Splits an `http://` address.
    pub(super) fn new(method: &'a str, url: &'a str, body: &'a [u8]) -> Self {
        let rest = url.strip_prefix("http://").unwrap_or(url);
        let (host, uri) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        Self { method, host, uri, body }
    }
}

impl DeviceLogin {
    pub(super) fn new(login: Login, place: SecretRef) -> Self {
        Self { login, place, authorization: None }
    }

    /// The header that answers the device's last challenge. `None` before the first one. The nonce
    /// is used again, with the next count.
    pub(super) fn answer(&mut self, target: &Target<'_>) -> Option<HeaderValue> {
        let (_, authorization) = self.authorization.as_mut().filter(|(host, _)| host == target.host)?;
        // A path is empty where the address has none, and a request line never.
        let url = match target.uri {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            uri => uri.to_owned(),
        };
        let request = Request { method: target.method, url: &url, body: target.body };
        let mut value = HeaderValue::from_bytes(&authorization.field(&self.login, &request, rand::random())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// False if the device's last challenge is of a kind that is not known here.
    pub(super) fn knows_challenge(&self) -> bool {
        self.authorization.is_some()
    }

    /// Takes the challenge of a response with status 401. False if there is none that can be
    /// answered, or if it asks for the password itself, which it has just refused.
    pub(super) fn challenge(&mut self, target: &Target<'_>, headers: &HeaderMap, was_answered: bool) -> bool {
        let challenges = headers.get_all(header::WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes);
        let authorization = Authorization::choose(challenges).ok();
        let asks_for_password = authorization.as_ref().is_some_and(Authorization::is_basic);
        self.authorization = authorization.map(|authorization| (target.host.to_owned(), authorization));
        self.authorization.is_some() && !(was_answered && asks_for_password)
    }
}
