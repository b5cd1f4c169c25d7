//! Who runs a command, and in which role: for the audit log.

use std::os::unix::fs::MetadataExt;

use clap::Args;
use gatehouse_store::Actor;

use crate::exit::{Exit, Failure};

/// The role that a command is run in; the user is the one whom this machine knows.
#[derive(Debug, Args)]
pub(crate) struct Role {
    /// The role in which you do this, as the site's rules name it; it stands in the audit log
    #[arg(long, default_value = "desk", value_name = "ROLE")]
    role: String,
}

impl Role {
    pub(crate) fn actor(&self) -> Result<Actor, Failure> {
        actor(&self.role)
    }
}

/// Whoever runs this process, in a role.
pub(crate) fn actor(role: &str) -> Result<Actor, Failure> {
    Actor::new(role, &user()).map_err(|e| Failure::new(Exit::Input, e))
}

/// The user that this process runs as: its number, and the name that the environment gives, which the number backs.
fn user() -> String {
    let number = std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |m| m.uid().to_string());
    // Behind `sudo` the person is the one who typed it.
    let name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|key| std::env::var(key).ok());
    let fits =
        |name: &String| (1..=64).contains(&name.len()) && !name.contains('/') && !name.contains(char::is_control);
    match name.filter(fits) {
        Some(name) => format!("{name} (uid {number})"),
        None => format!("uid {number}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_user_always_has_a_number() {
        let actor = super::actor("desk").expect("it has a role and a user").to_string();
        assert!(actor.starts_with("desk/") && actor.contains("uid "), "{actor}");
    }
}
