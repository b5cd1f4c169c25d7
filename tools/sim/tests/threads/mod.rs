//! Which threads of this process are left.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The names of this process's threads that begin with `prefix`.
pub(crate) fn threads(prefix: &str) -> Vec<String> {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| name.starts_with(prefix))
        .collect()
}

/// Those of them that don't go away. One that was joined is still listed for a moment: the kernel
/// tells who joins it before it takes it off the list.
#[allow(clippy::disallowed_methods, reason = "the kernel's list has no clock to inject")]
pub(crate) fn threads_that_stay(prefix: &str) -> Vec<String> {
    let given_up = Instant::now() + PATIENCE;
    loop {
        let threads = threads(prefix);
        if threads.is_empty() || Instant::now() >= given_up {
            return threads;
        }
        thread::yield_now();
    }
}
