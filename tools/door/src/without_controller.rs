//! Releases and resets a door whose controller does not run, or hangs.

use std::sync::Arc;

use gatehouse_config as config;
use gatehouse_core::time::Clock;

use crate::actuator::{self, Command};
use crate::error::DoorError;
use crate::folder::{Folder, log_path};
use crate::log_file::{Happened, LogFile};
use crate::release::{Answer, Marker, Request, tidy};

/// Does what a controller would: moves the door, saves the release for the next start, and logs it.
/// A hanging controller is left alone and finds the saved release.
///
/// # Errors
/// If the actuator cannot be set up. The answer names all other faults.
pub fn act_alone(file: &config::DoorFile, request: &Request, clock: &Arc<dyn Clock>) -> Result<Answer, DoorError> {
    let door = &file.door;
    let mut actuator = actuator::build(&file.actuator)?;
    let uid = Some(rustix::process::getuid().as_raw());
    let marker = Marker::in_folder(&door.data);
    let (command, happened) = match request {
        Request::Status => {
            let released = marker.reason().is_some();
            let (confirmed, actuator_works) = (false, false);
            return Ok(Answer { released, failed_safe: false, confirmed, actuator_works, trouble: None });
        }
        Request::Release { reason } => (Command::Hold, Happened::Released { reason: tidy(reason), uid }),
        Request::Reset { reason } => (Command::Shut, Happened::Reset { reason: tidy(reason), uid }),
    };
    // The door first; saving and logging follow.
    let moved = actuator.apply(command);
    let confirmed = moved.is_ok();
    let mut trouble: Vec<String> = moved.err().map(|error| error.to_string()).into_iter().collect();
    // A hanging controller holds the folder's lock and logs the release itself.
    let folder = Folder::open(&door.data);
    let kept = match request {
        Request::Release { reason } => marker.set(reason),
        _ => marker.clear(),
    };
    trouble.extend(kept.err().map(|error| format!("cannot save it for the next start: {error}")));
    let released = marker.reason().is_some();
    match folder {
        Ok(_locked) => {
            let now = clock.wall();
            let written = LogFile::open(&log_path(door), now).and_then(|mut log| log.append(now, happened));
            trouble.extend(written.err().map(|error| error.to_string()));
        }
        Err(error) => trouble.push(error.to_string()),
    }
    let trouble = (!trouble.is_empty()).then(|| trouble.join("; "));
    Ok(Answer { released, failed_safe: false, confirmed, actuator_works: confirmed, trouble })
}
