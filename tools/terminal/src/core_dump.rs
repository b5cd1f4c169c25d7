//! No core dumps: the memory of these programs holds templates, keys and pictures.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Keeps core dumps and other users' debuggers off this process; its children are not affected.
pub(crate) fn switch_off() {
    if let Err(e) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(
            "cannot switch core dumps off: {e}; if this program crashes, a core dump may contain personal data"
        );
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn core_dumps_are_off() {
        switch_off();
        assert_eq!(dumpable_behavior().expect("the kernel answers"), DumpableBehavior::NotDumpable);
    }
}
