//! Who runs a command, and in which role: for the audit log.

use std::os::unix::fs::MetadataExt;

use clap::Args;
use gatehouse_store::Actor;
use gatehouse_terminal::Failure;

/// The option that names the role. The user is the one who runs the process.
#[derive(Debug, Args)]
pub(crate) struct Role {
    /// Your role, as the site's rules name it; the audit log records it
    #[arg(long, default_value = "desk", value_name = "ROLE")]
    role: String,
}

impl Role {
    pub(crate) fn actor(&self) -> Result<Actor, Failure> {
        actor(&self.role)
    }
}

pub(crate) fn actor(role: &str) -> Result<Actor, Failure> {
    Actor::new(role, &user()).map_err(Failure::input)
}

/// The user who runs this process: the environment's name, and the kernel's unforgeable number.
fn user() -> String {
    let number = std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |m| m.uid().to_string());
    // Under `sudo` the actor is the user who called it.
    let name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|key| std::env::var(key).ok());
    let is_valid =
        |name: &String| (1..=64).contains(&name.len()) && !name.contains('/') && !name.contains(char::is_control);
    match name.filter(is_valid) {
        Some(name) => format!("{name} (uid {number})"),
        None => format!("uid {number}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_actor_always_has_a_user_number() {
        let actor = super::actor("desk").expect("it has a role and a user").to_string();
        assert!(actor.starts_with("desk/") && actor.contains("uid "), "{actor}");
    }
}
