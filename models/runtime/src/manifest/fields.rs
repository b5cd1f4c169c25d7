//! Checks values of a manifest while it is parsed, so that errors have a line.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// A SHA-256 digest (FIPS 180-4), written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Sha256(pub [u8; 32]);

impl TryFrom<String> for Sha256 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut bytes = [0; 32];
        match base16ct::mixed::decode(&text, &mut bytes) {
            Ok(read) if read.len() == 32 => Ok(Self(bytes)),
            _ => Err(format!("a SHA-256 has 64 hexadecimal digits, got `{text}`")),
        }
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A path that stays below the folder it is joined to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RelativePath(String);

impl TryFrom<String> for RelativePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let inside = Path::new(&text).components().all(|part| matches!(part, Component::Normal(_)));
        if text.is_empty() || !inside {
            return Err(format!("`{text}` is not a path below a folder (no `..`, no leading `/`)"));
        }
        Ok(Self(text))
    }
}

impl RelativePath {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below `folder`.
    pub fn below(&self, folder: &Path) -> PathBuf {
        folder.join(&self.0)
    }
}

/// A dimension of a tensor: a number is fixed, a name is a size known at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// A fixed size.
    Fixed(usize),
    /// A size known at run time, by its name.
    Dynamic(String),
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Dynamic(name) => f.write_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for Dimension {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DimensionVisitor;
        impl Visitor<'_> for DimensionVisitor {
            type Value = Dimension;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a dimension: a number of 1 or more, or a name")
            }

            fn visit_i64<E: Error>(self, size: i64) -> Result<Dimension, E> {
                match usize::try_from(size) {
                    Ok(size) if size > 0 => Ok(Dimension::Fixed(size)),
                    _ => Err(E::custom(format!("a dimension is 1 or more, got {size}"))),
                }
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Dimension, E> {
                if name.is_empty() {
                    return Err(E::custom("a dimension's name is empty"));
                }
                Ok(Dimension::Dynamic(name.to_owned()))
            }
        }
        deserializer.deserialize_any(DimensionVisitor)
    }
}

/// A model's name in configuration files and commands.
pub(super) fn model_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(D::Error::custom(format!("a model's name has only a–z, 0–9, `-` and `_`, got `{name}`")));
    }
    Ok(name)
}

/// Three finite numbers.
pub(super) fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f32; 3], D::Error> {
    let values = <[f32; 3]>::deserialize(deserializer)?;
    if values.iter().all(|v| v.is_finite()) { Ok(values) } else { Err(D::Error::custom("a mean is a finite number")) }
}

/// Three divisors above 0.
pub(super) fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f32; 3], D::Error> {
    let values = <[f32; 3]>::deserialize(deserializer)?;
    if values.iter().all(|v| v.is_finite() && *v > 0.0) {
        Ok(values)
    } else {
        Err(D::Error::custom("a standard deviation is above 0"))
    }
}

/// A finite score.
pub(super) fn score<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let value = f32::deserialize(deserializer)?;
    if value.is_finite() { Ok(value) } else { Err(D::Error::custom("a threshold is a finite number")) }
}
