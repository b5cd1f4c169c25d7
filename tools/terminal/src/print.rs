//! Standard output, whose reader may close it early.

use std::io::{self, Write};

use crate::Failure;

/// Prints a line. A reader that has closed the output is no error.
///
/// # Errors
/// If the output can't be written for another reason.
pub fn line(text: &str) -> Result<(), Failure> {
    line_while_read(text)?;
    Ok(())
}

/// Prints a line; `false` once the reader has closed the output (`… | head`): a reason to end.
///
/// # Errors
/// If the output can't be written for another reason.
pub fn line_while_read(text: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(e),
    }
}
