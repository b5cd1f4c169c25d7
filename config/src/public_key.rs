//! The reference to a site's public key in a door file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Bytes of an Ed25519 public key (RFC 8032).
const LENGTH: usize = 32;
const MAX_BYTES: u64 = 1024;

/// Where a public key is: in the door file itself, or in its own file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PublicKeyRef {
    /// The key.
    Key([u8; LENGTH]),
    /// A file that holds it as 64 hexadecimal digits. Its path is joined to the door file's folder.
    File(PathBuf),
}

/// Why there is no public key.
#[derive(Debug, thiserror::Error)]
pub enum PublicKeyError {
    /// The file can't be read.
    #[error("the public key file {path} can't be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Other users may write it, and so open the door.
    #[error("the public key file {path} can be changed by other users (mode {mode:03o}): chmod 644 {path}")]
    WritableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no public key.
    #[error("the public key file {path} holds no public key: expected {} hexadecimal digits", 2 * LENGTH)]
    NoKey {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for PublicKeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublicKeyRef::Key(key) => f.write_str(&base16ct::lower::encode_string(key)),
            PublicKeyRef::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl PublicKeyRef {
    /// `None` if the text is neither a key nor a reference.
    pub(crate) fn parse(text: &str, folder: &Path) -> Option<PublicKeyRef> {
        match text.strip_prefix("file:") {
            Some(path) => (!path.is_empty() && !path.contains('\0')).then(|| PublicKeyRef::File(folder.join(path))),
            None => key(text).map(PublicKeyRef::Key),
        }
    }

    /// The key's 32 bytes. The caller checks that they are a point of the curve.
    ///
    /// # Errors
    /// If its file can't be read, can be changed by other users, or holds no key.
    pub fn resolve(&self) -> Result<[u8; LENGTH], PublicKeyError> {
        let path = match self {
            PublicKeyRef::Key(key) => return Ok(*key),
            PublicKeyRef::File(path) => path,
        };
        let unreadable = |source| PublicKeyError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(PublicKeyError::WritableByOthers { path: path.to_owned(), mode });
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
        let found = std::str::from_utf8(&bytes).ok().and_then(|text| key(text.trim()));
        found.ok_or_else(|| PublicKeyError::NoKey { path: path.to_owned() })
    }
}

fn key(text: &str) -> Option<[u8; LENGTH]> {
    let mut key = [0; LENGTH];
    let read = base16ct::mixed::decode(text, &mut key).ok()?.len();
    (read == LENGTH).then_some(key)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_is_read_from_the_text_or_from_its_file() {
        let digits = "0123456789abcdef".repeat(4);
        let expected: [u8; 32] = std::array::from_fn(|i| [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef][i % 8]);
        let written = PublicKeyRef::parse(&digits.to_uppercase(), Path::new("")).unwrap();
        assert_eq!((written.resolve().unwrap(), written.to_string()), (expected, digits.clone()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.pub");
        fs::write(&path, format!("{digits}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let in_file = PublicKeyRef::parse("file:site.pub", folder.path()).unwrap();
        assert_eq!(in_file.resolve().unwrap(), expected);

        fs::write(&path, &digits[1..]).unwrap();
        assert!(matches!(in_file.resolve(), Err(PublicKeyError::NoKey { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        let error = in_file.resolve().unwrap_err().to_string();
        assert!(error.contains("mode 664") && error.ends_with(&format!("chmod 644 {}", path.display())), "{error}");
    }

    #[test]
    fn a_text_that_is_no_key_is_rejected() {
        for text in ["", "file:", "0123", &"g".repeat(64), &"a".repeat(63), &"a".repeat(66), &"é".repeat(32)] {
            assert_eq!(PublicKeyRef::parse(text, Path::new("")), None, "{text}");
        }
    }
}
