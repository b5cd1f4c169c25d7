//! Portraits from photos.

use std::path::PathBuf;

use gatehouse_gate::enrol::{EnrolError, Portrait};
use gatehouse_runtime::{PhotoLimits, read_photo};
use gatehouse_terminal::{Exit, Failure};

use super::desk::Desk;

/// One person's portraits. The error names every unusable photo by number, with all its problems.
pub(crate) fn portraits(desk: &mut Desk<'_>, photos: &[PathBuf]) -> Result<Vec<Portrait>, Failure> {
    let (mut portraits, mut problems) = (Vec::new(), Vec::new());
    for (number, path) in (1..).zip(photos) {
        // The file's name may contain the person's name, so errors do not repeat it.
        let problem = match read_photo(path, &PhotoLimits::default()) {
            Err(e) => format!("photo {number}: {e}"),
            Ok(photo) => match desk.portrait(&photo.as_picture()) {
                Ok(portrait) => {
                    portraits.push(portrait);
                    continue;
                }
                Err(EnrolError::Model(e)) => return Err(e.into()),
                Err(e) => format!("photo {number}: {e}"),
            },
        };
        problems.push(problem);
    }
    if problems.is_empty() { Ok(portraits) } else { Err(Failure::message(Exit::Input, problems.join("\n  "))) }
}
