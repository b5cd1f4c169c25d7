//! Waiting for the signal to stop.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGINT or SIGTERM and returns which one came. With `with_stdin`, the end of standard
/// input is a signal too, so that a child process does not outlive its parent.
///
/// # Errors
/// If a signal handler can't be installed.
pub async fn requested(with_stdin: bool) -> io::Result<&'static str> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = terminate.recv() => Ok("SIGTERM"),
        () = end_of_stdin(), if with_stdin => Ok("end of standard input"),
    }
}

async fn end_of_stdin() {
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 256];
    while stdin.read(&mut ignored).await.is_ok_and(|n| n > 0) {}
}
