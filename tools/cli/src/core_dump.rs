//! No core dumps: the memory of this program holds templates, keys and pictures.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Has the kernel write no core dump of this process, and let no other user's debugger look into it. Programs that it
/// starts are not affected.
pub(crate) fn switch_off() {
    if let Err(e) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!("core dumps can't be switched off: if this program crashes, one may hold personal data: {e}");
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn there_are_none_from_then_on() {
        switch_off();
        assert_eq!(dumpable_behavior().expect("the kernel says"), DumpableBehavior::NotDumpable);
    }
}
