//! Who does something that the audit log records.

use std::fmt;

/// Longest role, and longest user, in characters.
const LONGEST: usize = 100;

/// Someone who acts on the store, in a role. The audit log names them as `role/user`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    role: String,
    user: String,
}

/// A text that names no role or no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {what} that acts must have a name of 1 to {LONGEST} characters, without control characters and `/`")]
pub struct ActorError {
    /// `role` or `user`.
    pub what: &'static str,
}

impl Actor {
    /// `role` is a capacity such as `desk` or `security`. Removes surrounding white space.
    ///
    /// # Errors
    /// If one of them is empty, too long, or has a control character or a `/`.
    pub fn new(role: &str, user: &str) -> Result<Self, ActorError> {
        for (what, text) in [("role", role), ("user", user)] {
            let length = text.trim().chars().count();
            if length == 0 || length > LONGEST || text.trim().chars().any(|c| c.is_control() || c == '/') {
                return Err(ActorError { what });
            }
        }
        Ok(Self { role: role.trim().to_owned(), user: user.trim().to_owned() })
    }

    /// The program itself: retention, and finishing what a crash interrupted.
    pub fn gatehouse() -> Self {
        Self { role: "node".to_owned(), user: "gatehouse".to_owned() }
    }

    /// The role.
    pub fn role(&self) -> &str {
        &self.role
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.role, self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_and_a_user_are_both_needed() {
        assert_eq!(Actor::new(" desk ", " quill ").expect("both are named").to_string(), "desk/quill");
        assert_eq!(Actor::new(" ", "quill").expect_err("no role"), ActorError { what: "role" });
        for user in ["", "\u{1b}[2J", "desk/quill", &"x".repeat(101)] {
            assert_eq!(Actor::new("desk", user).expect_err("no user"), ActorError { what: "user" });
        }
    }
}
