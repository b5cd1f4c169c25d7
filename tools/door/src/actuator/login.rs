//! Logs in at an HTTP device: Digest (RFC 7616) or Basic (RFC 7617), as its challenge asks.

use gatehouse_config::SecretRef;
use gatehouse_core::stream::Login;
use http_auth::digest::Algorithm;
use http_auth::{ChallengeParser, DigestClient, PasswordClient, PasswordParams};
use ureq::http::{HeaderMap, HeaderValue, header};

/// The login of a device, and the device's last challenge.
pub(super) struct DeviceLogin {
    login: Login,
    /// Where the login stands, for messages.
    pub(super) place: SecretRef,
    /// The device that gave the challenge, `host:port`, and the client that answers it. Nobody else
    /// gets an answer to it.
    client: Option<(String, PasswordClient)>,
}

/// What a request is for: its method, and its address as in the request line.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    pub(super) uri: &'a str,
}

impl<'a> Target<'a> {
    /// Splits an `http://` address.
    pub(super) fn new(method: &'a str, url: &'a str) -> Self {
        let rest = url.strip_prefix("http://").unwrap_or(url);
        let (host, uri) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        Self { method, host, uri }
    }
}

impl DeviceLogin {
    pub(super) fn new(login: Login, place: SecretRef) -> Self {
        Self { login, place, client: None }
    }

    /// The header that answers the device's last challenge. `None` before the first one. The nonce
    /// is used again, with the next count.
    pub(super) fn answer(&mut self, target: &Target<'_>) -> Option<HeaderValue> {
        let (_, client) = self.client.as_mut().filter(|(host, _)| host == target.host)?;
        // A path is empty where the address has none, and a request line never.
        let uri = match target.uri {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            uri => uri.to_owned(),
        };
        let (username, password) = (self.login.user.as_str(), self.login.password.as_str());
        // Without the body: devices that offer to protect it as well often get it wrong.
        let parameters = PasswordParams { username, password, uri: &uri, method: target.method, body: None };
        let mut value = HeaderValue::from_str(&client.respond(&parameters).ok()?).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// False if the device's last challenge is of a kind that is not known here.
    pub(super) fn knows_challenge(&self) -> bool {
        self.client.is_some()
    }

    /// Takes the challenge of a response with status 401. False if there is none that can be
    /// answered, or if it asks for the password itself, which it has just refused.
    pub(super) fn challenge(&mut self, target: &Target<'_>, headers: &HeaderMap, was_answered: bool) -> bool {
        let challenges = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let client = challenges.flat_map(clients).max_by_key(strength);
        let is_basic = matches!(client, Some(PasswordClient::Basic(_)));
        self.client = client.map(|client| (target.host.to_owned(), client));
        self.client.is_some() && !(was_answered && is_basic)
    }
}

const ALGORITHMS: [&str; 6] = ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"];

/// A header with the algorithms as the standard writes them: some devices write `md5`.
fn with_standard_names(header: &str) -> String {
    let mut standard = String::with_capacity(header.len());
    let mut rest = header;
    while let Some(at) = rest.to_ascii_lowercase().find("algorithm=") {
        let (before, value) = rest.split_at(at + "algorithm=".len());
        let (word, after) = value.split_at(value.find([',', ' ']).unwrap_or(value.len()));
        let plain = word.trim_matches('"');
        standard.push_str(before);
        standard.push_str(ALGORITHMS.iter().find(|name| name.eq_ignore_ascii_case(plain)).unwrap_or(&word));
        rest = after;
    }
    standard + rest
}

/// The challenges of a header that can be answered.
fn clients(header: &str) -> Vec<PasswordClient> {
    let header = with_standard_names(header);
    let challenges = ChallengeParser::new(&header).map_while(Result::ok);
    challenges.filter_map(|challenge| PasswordClient::try_from(&challenge).ok()).collect()
}

/// The strongest challenge is answered. Of equal ones it is the last, which hardly ever happens.
fn strength(client: &PasswordClient) -> u8 {
    match client {
        PasswordClient::Digest(digest) => strength_of_digest(digest),
        _ => 0,
    }
}

fn strength_of_digest(digest: &DigestClient) -> u8 {
    match digest.algorithm() {
        Algorithm::Sha512Trunc256 => 3,
        Algorithm::Sha256 => 2,
        _ => 1,
    }
}
