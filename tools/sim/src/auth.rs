//! Logins: none, basic (RFC 7617) or digest (RFC 7616, as RTSP 1.0 uses it), checked by
//! `gst-rtsp-server`.

use std::{env, fmt, sync::Arc};

use gstreamer_rtsp::RTSPAuthMethod;
use gstreamer_rtsp_server::{RTSPToken, glib, gst, prelude::*, subclass::prelude::*};
use serde::{Deserialize, Deserializer};

use crate::stats::Board;

/// The role of a successful login; the mount's factory lets it watch.
const VIEWER: &str = "viewer";

/// A password, which logs never show. A config contains it literally or as `env:NAME`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A literal password.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = String::deserialize(deserializer)?;
        match written.strip_prefix("env:") {
            Some(name) => env::var(name)
                .map(Self)
                .map_err(|error| serde::de::Error::custom(format!("environment variable {name}: {error}"))),
            None => Ok(Self(written)),
        }
    }
}

/// The authentication scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthScheme {
    /// The password itself, base64.
    Basic,
    /// A hash over the password and the server's nonce.
    Digest,
}

/// The login of a mount.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Basic or digest.
    pub scheme: AuthScheme,
    /// The only user.
    pub user: String,
    /// The user's password.
    pub password: Password,
}

impl Login {
    /// The same login after somebody changed the password on the camera.
    pub(crate) fn with_changed_password(login: Option<&Self>) -> Self {
        match login {
            Some(Self { scheme, user, password: Password(old) }) => {
                Self { scheme: *scheme, user: user.clone(), password: Password(format!("{old}, but changed")) }
            }
            None => Self {
                scheme: AuthScheme::Digest,
                user: "admin".to_owned(),
                password: Password::new("not known to anybody"),
            },
        }
    }

    /// `gst-rtsp-server`'s object for this login, which counts rejected logins on `board`.
    pub(crate) fn guard(&self, board: &Arc<Board>) -> CountingAuth {
        let auth: CountingAuth = glib::Object::new();
        auth.imp().board.get_or_init(|| Arc::clone(board));
        let token = RTSPToken::builder().field("media.factory.role", VIEWER).build();
        let Password(password) = &self.password;
        match self.scheme {
            AuthScheme::Basic => {
                auth.set_supported_methods(RTSPAuthMethod::Basic);
                auth.add_basic(&gstreamer_rtsp_server::RTSPAuth::make_basic(&self.user, password), &token);
            }
            AuthScheme::Digest => {
                auth.set_supported_methods(RTSPAuthMethod::Digest);
                auth.add_digest(&self.user, password, &token);
            }
        }
        auth
    }
}

/// The permissions of the viewer role, for `RTSPMediaFactory::add_role_from_structure`.
pub(crate) fn viewer_role() -> gst::Structure {
    gst::Structure::builder(VIEWER).field("media.factory.access", true).field("media.factory.construct", true).build()
}

glib::wrapper! {
    /// An `RTSPAuth` that counts rejected logins.
    pub(crate) struct CountingAuth(ObjectSubclass<imp::CountingAuth>) @extends gstreamer_rtsp_server::RTSPAuth;
}

mod imp {
    use std::sync::OnceLock;

    use gstreamer_rtsp_server::{RTSPContext, subclass::prelude::*};

    use super::*;

    #[derive(Default)]
    pub(crate) struct CountingAuth {
        pub(super) board: OnceLock<Arc<Board>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for CountingAuth {
        const NAME: &'static str = "GatehouseSimCountingAuth";
        type Type = super::CountingAuth;
        type ParentType = gstreamer_rtsp_server::RTSPAuth;
    }

    impl ObjectImpl for CountingAuth {}

    impl RTSPAuthImpl for CountingAuth {
        fn check(&self, ctx: &RTSPContext, check: &glib::GString) -> bool {
            // This check asks whether the client may choose its UDP destination; a refusal is no
            // rejected login.
            let about_login = check != "auth.check.transport.client-settings";
            let allowed = self.parent_check(ctx, check);
            let with_credentials = ctx.request().is_some_and(|request| !request.parse_auth_credentials().is_empty());
            if !allowed
                && about_login
                && with_credentials
                && let Some(board) = self.board.get()
            {
                board.update(|stats| stats.rejected_logins += 1);
            }
            allowed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_password() {
        let login =
            Login { scheme: AuthScheme::Digest, user: "admin".to_owned(), password: Password::new("correct horse") };
        assert!(!format!("{login:?}").contains("horse"));
        assert!(!format!("{:?}", Login::with_changed_password(Some(&login))).contains("horse"));
    }

    #[test]
    fn a_changed_password_is_another_one() {
        let login = Login { scheme: AuthScheme::Basic, user: "admin".to_owned(), password: Password::new("a") };
        let changed = Login::with_changed_password(Some(&login));
        assert_eq!((changed.scheme, &changed.user), (login.scheme, &login.user));
        assert_ne!(changed.password, login.password);
    }
}
