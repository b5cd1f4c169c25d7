//! Writing to standard output, where the reader may have gone.

use std::io::{self, Write};

/// Prints a line. `false` once nobody reads any more, which is a reason to end and not a failure (`gatehouse watch | head`).
pub(crate) fn line(text: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(e),
    }
}
