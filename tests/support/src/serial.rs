//! Tests that run one at a time, because each needs all processors.

use libtest_mimic::{Arguments, Trial};

/// Runs the tests of a `[[test]]` with `harness = false` one after the other, and ends the process.
/// It accepts the arguments of `cargo test`.
pub fn run(tests: &[(&'static str, fn())]) {
    let args = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let trial = |(name, test): &(&'static str, fn())| {
        let test = *test;
        Trial::test(*name, move || {
            test();
            Ok(())
        })
    };
    libtest_mimic::run(&args, tests.iter().map(trial).collect()).exit()
}

/// Makes `main` of tests that run one at a time. The compiler warns about a test that is not
/// listed.
#[macro_export]
macro_rules! run_one_at_a_time {
    ($($test:ident),+ $(,)?) => {
        fn main() {
            $crate::serial::run(&[$((stringify!($test), $test as fn())),+]);
        }
    };
}
