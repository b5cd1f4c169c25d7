//! Identifiers of cameras, zones and lines. Each is one chunk of a key expression.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(with = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a name that the configuration has checked: lower-case letters, digits and
            /// hyphens.
            pub fn new(name: &str) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// A configured camera, of either role. Cheap to clone.
    CameraId
}
name! {
    /// A zone of one crowd camera. Cheap to clone.
    ZoneId
}
name! {
    /// A counting line of one crowd camera. Cheap to clone.
    LineId
}
