//! Texts that several keys take, whichever file they stand in.

use std::path::{Path, PathBuf};

use crate::endpoint::Endpoint;
use crate::reader::Refusal;
use crate::secret::SecretRef;

pub(crate) fn name(text: &str) -> Result<String, Refusal> {
    if is_name(text) { Ok(text.to_owned()) } else { Err(Refusal::UNLIKE) }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

pub(crate) fn area(text: &str) -> Result<String, Refusal> {
    if is_area(text) { Ok(text.to_owned()) } else { Err(Refusal::UNLIKE) }
}

/// Whether a text may be the path of an area: up to eight names of small letters, digits and `-`, joined by `/`.
pub fn is_area(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    levels.len() <= 8 && levels.iter().all(|level| is_name(level))
}

pub(crate) fn model_name(text: &str) -> Result<String, Refusal> {
    let good = text.split(['_', '.']).all(|part| part.is_empty() || is_name(part));
    if good && (1..=64).contains(&text.len()) { Ok(text.to_owned()) } else { Err(Refusal::UNLIKE) }
}

pub(crate) fn path_in(folder: &Path, text: &str) -> Result<PathBuf, Refusal> {
    if text.is_empty() || text.contains('\0') { Err(Refusal::UNLIKE) } else { Ok(folder.join(text)) }
}

pub(crate) fn secret(folder: &Path, text: &str) -> Result<SecretRef, Refusal> {
    SecretRef::parse(text, folder).ok_or_else(|| {
        Refusal::UNLIKE
            .with_help("keep the secret itself out of this file: put it into a file of its own or a variable")
    })
}

pub(crate) fn endpoint(text: &str, may_choose_port: bool) -> Result<Endpoint, Refusal> {
    match Endpoint::parse(text, may_choose_port) {
        Some(endpoint) => Ok(endpoint),
        None if Endpoint::parse(text, true).is_some() => {
            Err(Refusal::because("`connect` must name the port to connect to, found port 0"))
        }
        None if ["tls/", "quic/", "udp/", "ws/"].iter().any(|protocol| text.starts_with(protocol)) => {
            Err(Refusal::because("this version of the bus speaks `tcp/` only"))
        }
        None => Err(Refusal::UNLIKE),
    }
}
