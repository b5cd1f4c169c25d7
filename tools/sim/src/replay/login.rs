//! Digest logins of replayed cameras (RFC 7616), with `qop=auth`.

use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512_256};

/// The login of every replayed camera that wants one.
const USER: &str = "admin";
const PASSWORD: &str = "pw";
const REALM: &str = "replay";
const NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv";

/// A hash of Digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256.
    Sha512_256,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Md5, Self::Sha256, Self::Sha512_256];

    /// The name in a challenge.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        let bytes = match self {
            Self::Md5 => Md5::digest(text).to_vec(),
            Self::Sha256 => Sha256::digest(text).to_vec(),
            Self::Sha512_256 => Sha512_256::digest(text).to_vec(),
        };
        base16ct::lower::encode_string(&bytes)
    }
}

/// The header fields of a 401, one for each algorithm. Each has a nonce of its own.
pub(crate) fn challenges(algorithms: &[Algorithm]) -> String {
    let field = |algorithm: &Algorithm| {
        let name = algorithm.name();
        format!(
            "WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"{NONCE}{name}\", qop=\"auth\", algorithm=\"{name}\"\r\n"
        )
    };
    algorithms.iter().map(field).collect()
}

/// True if an `Authorization` field is right for a request and answers one of the challenges.
pub(crate) fn is_right(field: &str, method: &str, algorithms: &[Algorithm]) -> bool {
    let value = |name: &str| {
        let fields = field.trim_start_matches("Digest").split(',').filter_map(|part| part.split_once('='));
        let mut values = fields.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().trim_matches('"'));
        values.next().unwrap_or_default()
    };
    let nonce = value("nonce");
    let answered = algorithms.iter().find(|algorithm| format!("{NONCE}{}", algorithm.name()) == nonce);
    answered.is_some_and(|algorithm| {
        let hash = |parts: &[&str]| algorithm.hash(parts);
        let (secret, request) = (hash(&[USER, REALM, PASSWORD]), hash(&[method, value("uri")]));
        let expected = hash(&[&secret, nonce, value("nc"), value("cnonce"), value("qop"), &request]);
        value("username") == USER && value("response") == expected
    })
}
