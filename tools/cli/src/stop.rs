//! Waiting for the sign to stop: SIGINT, SIGTERM, or, for processes started by another one, the end of standard input.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

/// Waits until the process is asked to stop, and says by what.
pub(crate) async fn asked(with_stdin: bool) -> io::Result<&'static str> {
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
