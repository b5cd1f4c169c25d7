//! The `gatehouse` binary; all of it is in the `gatehouse-cli` crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatehouse_cli::main()
}
