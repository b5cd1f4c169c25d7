//! References to secrets, and the secrets once read. No configuration file holds a secret itself.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gatehouse_core::stream::Login;
use zeroize::Zeroizing;

/// The largest secret file, in bytes: far more than any key or login.
const MAX_BYTES: u64 = 64 * 1024;
/// Where systemd puts the credentials of a service (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Where a secret is kept: `file:PATH`, `env:NAME` or `credential:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// A file that only its owner may read. Its path is joined to the configuration file's folder.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A credential that systemd passes to the service.
    Credential(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::File(path) => write!(f, "file:{}", path.display()),
            SecretRef::Env(name) => write!(f, "env:{name}"),
            SecretRef::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

/// A secret in memory. It is overwritten when dropped, and `Debug` doesn't show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret itself. Not for logs, messages or anything that is kept.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why a secret can't be read. Says where it was searched for, never what was found.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable isn't set, or isn't UTF-8.
    #[error("the environment variable {name} is not set, or is not UTF-8 text")]
    NotSet {
        /// The variable.
        name: String,
    },
    /// systemd passed no credentials.
    #[error(
        "there are no credentials ({CREDENTIALS_DIRECTORY} is not set): run this as a systemd service with \
         LoadCredential={name}:PATH or LoadCredentialEncrypted={name}:PATH"
    )]
    NoCredentials {
        /// The credential.
        name: String,
    },
    /// The file can't be read.
    #[error("the secret file {path} can't be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others than the owner may use the file.
    #[error(
        "the secret file {path} is open to other users (mode {mode:03o}); make it readable for its owner alone: chmod 600 {path}"
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not UTF-8 text, or far too long for a secret.
    #[error("the secret file {path} does not hold a secret: expected UTF-8 text of at most {MAX_BYTES} bytes")]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The secret is empty.
    #[error("the secret {place} is empty")]
    Empty {
        /// Where it should be.
        place: SecretRef,
    },
    /// A login without `:`.
    #[error("the login {place} does not have the form `user:password`")]
    NotALogin {
        /// Where it is.
        place: SecretRef,
    },
}

impl SecretRef {
    /// `None` where the text is no reference.
    pub(crate) fn parse(text: &str, folder: &Path) -> Option<SecretRef> {
        if let Some(path) = text.strip_prefix("file:") {
            return (!path.is_empty() && !path.contains('\0')).then(|| SecretRef::File(folder.join(path)));
        }
        if let Some(name) = text.strip_prefix("credential:") {
            let good = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
            return (good && !name.is_empty() && !name.starts_with('.'))
                .then(|| SecretRef::Credential(name.to_owned()));
        }
        let name = text.strip_prefix("env:")?;
        let good = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
        good.then(|| SecretRef::Env(name.to_owned()))
    }

    /// Reads the secret. One line end after it is not part of it.
    ///
    /// # Errors
    /// If there is no such file or variable, if it is empty or not text, or if the file's mode
    /// gives access to the group or to others.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        self.resolve_with(env::var_os(CREDENTIALS_DIRECTORY).as_deref().map(Path::new))
    }

    fn resolve_with(&self, credentials: Option<&Path>) -> Result<Secret, SecretError> {
        let mut text = match self {
            SecretRef::File(path) => read(path, Mode::OwnerAlone)?,
            SecretRef::Credential(name) => {
                let folder = credentials.ok_or_else(|| SecretError::NoCredentials { name: name.clone() })?;
                read(&folder.join(name), Mode::SetBySystemd)?
            }
            SecretRef::Env(name) => {
                Zeroizing::new(env::var(name).map_err(|_| SecretError::NotSet { name: name.clone() })?)
            }
        };
        let kept = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line)).len();
        text.truncate(kept);
        if text.is_empty() {
            return Err(SecretError::Empty { place: self.clone() });
        }
        Ok(Secret(text))
    }

    /// Reads a camera's login. The password may be empty and may contain further `:`.
    ///
    /// # Errors
    /// As [`SecretRef::resolve`], and if the secret does not have the form `user:password`.
    pub fn resolve_login(&self) -> Result<Login, SecretError> {
        let secret = self.resolve()?;
        match secret.expose().split_once(':') {
            Some((user, password)) if !user.is_empty() => {
                Ok(Login { user: user.to_owned().into(), password: password.to_owned().into() })
            }
            _ => Err(SecretError::NotALogin { place: self.clone() }),
        }
    }
}

/// Who keeps others from reading a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    OwnerAlone,
    /// systemd uses an access list, whose mask takes the place of the group's bits.
    SetBySystemd,
}

fn read(path: &Path, by: Mode) -> Result<Zeroizing<String>, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // The metadata of the open file, so that nobody can exchange the file in between.
    let facts = file.metadata().map_err(unreadable)?;
    let mode = facts.permissions().mode() & 0o777;
    if by == Mode::OwnerAlone && mode & 0o077 != 0 {
        return Err(SecretError::OpenToOthers { path: path.to_owned(), mode });
    }
    let not_text = || SecretError::NotText { path: path.to_owned() };
    if facts.len() > MAX_BYTES {
        return Err(not_text());
    }
    // Allocated once: a buffer that grows leaves copies behind that are not overwritten.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 1));
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(not_text());
    }
    std::str::from_utf8(&bytes).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| not_text())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file_with(bytes: &[u8], mode: u32) -> (tempfile::TempDir, SecretRef) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.key");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, SecretRef::File(path))
    }

    #[test]
    fn one_line_end_is_trimmed_and_nothing_else() {
        for (bytes, expected) in
            [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" s3cret \n\n", " s3cret \n"), ("s3cret\r", "s3cret\r")]
        {
            let (_folder, secret) = file_with(bytes.as_bytes(), 0o600);
            assert_eq!(secret.resolve().unwrap().expose(), expected);
        }
    }

    #[test]
    fn a_file_open_to_others_is_rejected_with_the_remedy() {
        for mode in [0o640, 0o604, 0o620, 0o644, 0o666] {
            let (_folder, secret) = file_with(b"s3cret", mode);
            let SecretRef::File(path) = &secret else { unreachable!() };
            let error = secret.resolve().unwrap_err();
            assert!(matches!(error, SecretError::OpenToOthers { mode: found, .. } if found == mode), "{error}");
            assert!(error.to_string().ends_with(&format!("chmod 600 {}", path.display())), "{error}");
        }
        let (_folder, secret) = file_with(b"s3cret", 0o400);
        assert_eq!(secret.resolve().unwrap().expose(), "s3cret");
    }

    #[test]
    fn a_file_without_a_secret_is_rejected() {
        let too_long = vec![b'x'; MAX_BYTES as usize + 1];
        let cases: [(&[u8], &str); 4] =
            [(b"", "is empty"), (b"\n", "is empty"), (&[0xff, 0xfe], "UTF-8 text"), (&too_long, "at most 65536 bytes")];
        for (bytes, expected) in cases {
            let (_folder, secret) = file_with(bytes, 0o600);
            let error = secret.resolve().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let missing = SecretRef::File("/nowhere/site.key".into()).resolve().unwrap_err().to_string();
        assert!(missing.contains("/nowhere/site.key"), "{missing}");
        let unset = SecretRef::Env("GATEHOUSE_CONFIG_NOT_SET".to_owned()).resolve().unwrap_err().to_string();
        assert!(unset.contains("GATEHOUSE_CONFIG_NOT_SET"), "{unset}");
    }

    #[test]
    fn a_credential_is_read_from_the_folder_of_systemd() {
        let (folder, _) = file_with(b"s3cret\n", 0o440);
        let parse = |text: &str| SecretRef::parse(text, Path::new("/site"));
        let credential = parse("credential:site.key").unwrap();
        assert_eq!(credential.resolve_with(Some(folder.path())).unwrap().expose(), "s3cret");
        assert_eq!(credential.to_string(), "credential:site.key");
        let none = credential.resolve_with(None).unwrap_err().to_string();
        assert!(none.contains("LoadCredential=site.key:PATH"), "{none}");
        for elsewhere in ["credential:", "credential:../site.key", "credential:a/b", "credential:.hidden"] {
            assert_eq!(parse(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn an_environment_variable_is_read() {
        // Cargo sets it for every test that it runs.
        let secret = SecretRef::Env("CARGO_PKG_NAME".to_owned());
        assert_eq!(secret.resolve().unwrap().expose(), "gatehouse-config");
    }

    #[test]
    fn a_login_is_split_at_the_first_colon_and_never_shown() {
        let (_folder, secret) = file_with(b"operator:a:b@c/d\n", 0o600);
        let login = secret.resolve_login().unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("operator", "a:b@c/d"));
        assert_eq!(format!("{login:?}"), "Login([redacted])");
        for bytes in [&b"hunter2"[..], b":hunter2"] {
            let (_folder, secret) = file_with(bytes, 0o600);
            let error = secret.resolve_login().unwrap_err();
            assert!(matches!(error, SecretError::NotALogin { .. }));
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
