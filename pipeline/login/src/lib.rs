//! Answers a camera or a relay that asks for a login: Digest (RFC 7616, RFC 2617, RFC 2069) or
//! Basic (RFC 7617), over RTSP and HTTP.
//!
//! The crates `http-auth` and `digest_auth` leave out the algorithm where a challenge has no `qop`,
//! and refuse a realm that is not ASCII. So the header is made here, with the hashes of RustCrypto.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatehouse_core::stream::Login;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// A hash that a Digest challenge may ask for, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hash {
    Md5,
    Sha256,
    Sha512_256,
}

impl Hash {
    /// The hash of a name like `SHA-256-sess`, and whether it is for a session.
    fn of(name: &[u8]) -> Option<(Self, bool)> {
        let name = name.to_ascii_uppercase();
        let (plain, is_session) = match name.strip_suffix(b"-SESS") {
            Some(plain) => (plain, true),
            None => (name.as_slice(), false),
        };
        let hash = match plain {
            b"" | b"MD5" => Self::Md5,
            b"SHA-256" | b"SHA256" => Self::Sha256,
            b"SHA-512-256" | b"SHA512-256" => Self::Sha512_256,
            _ => return None,
        };
        Some((hash, is_session))
    }

    /// The hash of the parts with `:` between them, in hexadecimal.
    fn of_parts(self, parts: &[&[u8]]) -> Vec<u8> {
        let text = parts.join(&b':');
        let bytes = match self {
            Self::Md5 => Md5::digest(text).to_vec(),
            Self::Sha256 => Sha256::digest(text).to_vec(),
            Self::Sha512_256 => Sha512_256::digest(text).to_vec(),
        };
        base16ct::lower::encode_string(&bytes).into_bytes()
    }
}

/// A `Digest` challenge that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DigestChallenge {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    /// The algorithm's name as the device writes it, if it does.
    algorithm: Option<Vec<u8>>,
    hash: Hash,
    is_session: bool,
    quality: Quality,
    user_is_hashed: bool,
    is_stale: bool,
}

/// The quality of protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quality {
    /// As in RFC 2069, without a counter.
    None,
    Request,
    RequestAndBody,
}

/// One scheme of a `WWW-Authenticate` field, with its parameters.
struct Scheme {
    name: Vec<u8>,
    parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Scheme {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.parameters
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_slice())
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    fn digest(&self) -> Option<DigestChallenge> {
        let algorithm = self.get("algorithm");
        let (hash, is_session) = Hash::of(algorithm.unwrap_or_default())?;
        let quality = match self.get("qop").map(|q| q.to_ascii_lowercase()) {
            None => Quality::None,
            Some(qualities) => {
                let has = |name: &[u8]| qualities.split(|b| *b == b',').any(|quality| quality.trim_ascii() == name);
                match (has(b"auth"), has(b"auth-int")) {
                    (true, _) => Quality::Request,
                    (false, true) => Quality::RequestAndBody,
                    (false, false) => Quality::None,
                }
            }
        };
        let is_true = |name| self.get(name).is_some_and(|value| value.eq_ignore_ascii_case(b"true"));
        Some(DigestChallenge {
            realm: self.get("realm").unwrap_or_default().to_vec(),
            nonce: self.get("nonce")?.to_vec(),
            opaque: self.get("opaque").map(<[u8]>::to_vec),
            algorithm: algorithm.map(<[u8]>::to_vec),
            hash,
            is_session,
            quality,
            user_is_hashed: is_true("userhash"),
            is_stale: is_true("stale"),
        })
    }
}

/// No challenge is of a kind that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it asks for a kind of login that is not supported (Digest and Basic are)")]
pub struct NoKnownMethod;

/// The request that an answer is for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// Its method: `DESCRIBE`, `GET`.
    pub method: &'r str,
    /// Its address, as in the request line.
    pub url: &'r str,
    /// Its body; empty if it has none.
    pub body: &'r [u8],
}

/// How a device wants the login.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Method {
    Basic,
    Digest(DigestChallenge),
}

/// Makes the `Authorization` field of each request after a challenge. `Debug` shows no login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    method: Method,
    /// How often the nonce was used.
    uses: u32,
}

impl Authorization {
    /// Chooses the strongest challenge; Basic only if no Digest is offered. `fields`: the values of
    /// all `WWW-Authenticate` fields of an answer.
    ///
    /// # Errors
    /// If no method that is offered is known.
    pub fn choose<'f>(fields: impl IntoIterator<Item = &'f [u8]>) -> Result<Self, NoKnownMethod> {
        let schemes: Vec<_> = fields.into_iter().flat_map(schemes).collect();
        let mut strongest: Option<DigestChallenge> = None;
        for challenge in schemes.iter().filter(|scheme| scheme.is("Digest")).filter_map(Scheme::digest) {
            // Of two with the same hash the first one counts.
            if strongest.as_ref().is_none_or(|known| known.hash < challenge.hash) {
                strongest = Some(challenge);
            }
        }
        let offers = |name| schemes.iter().any(|scheme: &Scheme| scheme.is(name));
        let method = match strongest {
            Some(challenge) => Method::Digest(challenge),
            None if offers("Basic") && !offers("Digest") => Method::Basic,
            None => return Err(NoKnownMethod),
        };
        Ok(Self { method, uses: 0 })
    }

    /// True if the device says that the nonce was too old, and not that the login was wrong.
    pub fn is_stale(&self) -> bool {
        matches!(&self.method, Method::Digest(challenge) if challenge.is_stale)
    }

    /// True if the answer is the password itself, which no fresh challenge makes right.
    pub fn is_basic(&self) -> bool {
        self.method == Method::Basic
    }

    /// The field's value for a request. `salt`: a random number.
    pub fn field(&mut self, login: &Login, request: &Request<'_>, salt: u64) -> Vec<u8> {
        self.uses = self.uses.saturating_add(1);
        let (user, password) = (login.user.as_bytes(), login.password.as_bytes());
        match &self.method {
            Method::Basic => format!("Basic {}", STANDARD.encode([user, password].join(&b':'))).into_bytes(),
            Method::Digest(challenge) => {
                challenge.answer((user, password), request, self.uses, &format!("{salt:016x}"))
            }
        }
    }
}

impl DigestChallenge {
    /// RFC 7616, section 3.4.
    fn answer(&self, (user, password): (&[u8], &[u8]), of: &Request<'_>, uses: u32, cnonce: &str) -> Vec<u8> {
        let hash = |parts: &[&[u8]]| self.hash.of_parts(parts);
        let (cnonce, count) = (cnonce.as_bytes(), format!("{uses:08x}").into_bytes());
        let mut secret = hash(&[user, &self.realm, password]);
        if self.is_session {
            secret = hash(&[&secret, &self.nonce, cnonce]);
        }
        let (method, url) = (of.method.as_bytes(), of.url.as_bytes());
        let (request, quality): (_, Option<&[u8]>) = match self.quality {
            Quality::None => (hash(&[method, url]), None),
            Quality::Request => (hash(&[method, url]), Some(b"auth")),
            Quality::RequestAndBody => (hash(&[method, url, &hash(&[of.body])]), Some(b"auth-int")),
        };
        let response = match quality {
            None => hash(&[&secret, &self.nonce, &request]),
            Some(quality) => hash(&[&secret, &self.nonce, &count, cnonce, quality, &request]),
        };
        let hashed_user = self.user_is_hashed.then(|| hash(&[user, &self.realm]));
        let mut field = b"Digest username=".to_vec();
        quote(&mut field, hashed_user.as_deref().unwrap_or(user));
        let quoted: [(&str, Option<&[u8]>); 5] = [
            ("realm", Some(&self.realm)),
            ("nonce", Some(&self.nonce)),
            ("uri", Some(url)),
            ("response", Some(&response)),
            ("opaque", self.opaque.as_deref()),
        ];
        for (name, value) in quoted {
            if let Some(value) = value {
                field.extend(format!(", {name}=").as_bytes());
                quote(&mut field, value);
            }
        }
        if let Some(algorithm) = &self.algorithm {
            field.extend([b", algorithm=", algorithm.as_slice()].concat());
        }
        if let Some(quality) = quality {
            field.extend([b", qop=", quality, b", nc=", &count].concat());
        }
        if quality.is_some() || self.is_session {
            field.extend([b", cnonce=\"", cnonce, b"\""].concat());
        }
        if self.user_is_hashed {
            field.extend(b", userhash=true");
        }
        field
    }
}

fn quote(field: &mut Vec<u8>, value: &[u8]) {
    field.push(b'"');
    for byte in value.iter().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)) {
        if matches!(byte, b'"' | b'\\') {
            field.push(b'\\');
        }
        field.push(*byte);
    }
    field.push(b'"');
}

/// The schemes of one field: `Digest realm="a", nonce="b", Basic realm="c"` has two.
fn schemes(field: &[u8]) -> Vec<Scheme> {
    let mut schemes: Vec<Scheme> = Vec::new();
    let mut rest = field;
    loop {
        rest = skip(rest, |byte| byte == b',' || byte.is_ascii_whitespace());
        if rest.is_empty() {
            return schemes;
        }
        let (word, after) = split(rest, |byte| byte == b'=' || byte == b',' || byte.is_ascii_whitespace());
        let behind = skip(after, |byte| byte.is_ascii_whitespace());
        match behind.split_first() {
            Some((b'=', value)) => {
                let (value, after) = value_of(skip(value, |byte| byte.is_ascii_whitespace()));
                if let (Some(scheme), false) = (schemes.last_mut(), word.is_empty()) {
                    scheme.parameters.push((word.to_vec(), value));
                }
                rest = after;
            }
            _ => {
                schemes.push(Scheme { name: word.to_vec(), parameters: Vec::new() });
                rest = behind;
            }
        }
    }
}

fn split(bytes: &[u8], ends: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|byte| ends(*byte)).unwrap_or(bytes.len()))
}

fn skip(bytes: &[u8], skipped: impl Fn(u8) -> bool) -> &[u8] {
    split(bytes, |byte| !skipped(byte)).1
}

/// A value, quoted or not, and what follows it.
fn value_of(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some((b'"', quoted)) = bytes.split_first() else {
        let (value, rest) = split(bytes, |byte| byte == b',');
        return (value.trim_ascii().to_vec(), rest);
    };
    let (mut value, mut bytes) = (Vec::new(), quoted.iter());
    loop {
        match bytes.next() {
            None | Some(b'"') => return (value, bytes.as_slice()),
            Some(b'\\') => value.extend(bytes.next()),
            Some(byte) => value.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests;
