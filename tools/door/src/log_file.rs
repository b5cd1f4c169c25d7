//! The door's own log: one JSON object a line, appended only, each chained to the line before it by
//! SHA-256.
//!
//! Changing, removing or adding a line breaks the chain from there on. The last line's number and
//! hash are also kept in a second file and published, so that truncation is noticed. The log names
//! nobody who passed.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use gatehouse_core::door::LogHead;
use gatehouse_core::time::WallTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::files;

/// An event at the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Happened {
    /// The controller started.
    Started {
        /// The door.
        door: String,
        /// True if it was released at the start.
        released: bool,
    },
    /// The controller was stopped.
    Stopped {
        /// True if the door was left open.
        open: bool,
    },
    /// Someone released the door.
    Released {
        /// The reason given.
        reason: String,
        /// Numeric user id on this machine, where known.
        uid: Option<u32>,
    },
    /// Someone reset it.
    Reset {
        /// The reason given.
        reason: String,
        /// Numeric user id on this machine, where known.
        uid: Option<u32>,
    },
    /// The node was silent for too long.
    NodeLost {
        /// True if the door opened because of it.
        open: bool,
    },
    /// The node is back.
    NodeBack,
    /// A power cut had left half a line, which was removed.
    LineCutOff {
        /// Bytes removed.
        bytes: u64,
    },
}

/// One line, without its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Line number, from 1.
    pub number: u64,
    /// When.
    pub at: WallTime,
    /// What.
    pub happened: Happened,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    record: Record,
    hash: String,
}

/// Why a log cannot be used or is not whole.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the door's log {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// `line` is the first line that is not as it was written, from 1.
    #[error("the door's log {path} was altered: line {line} is not what was written, or one before it is missing")]
    Altered { path: PathBuf, line: u64 },
    #[error("the door's log {path} was altered: it ends at line {found}, but had {expected}")]
    CutOff { path: PathBuf, found: u64, expected: u64 },
}

/// The log of a running controller.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    /// Number and hash of the last line.
    pub(crate) head: LogHead,
}

fn hash(before: &str, record: &Record) -> serde_json::Result<String> {
    let mut digest = Sha256::new();
    digest.update(before);
    digest.update(serde_json::to_vec(record)?);
    Ok(base16ct::lower::encode_string(&digest.finalize()))
}

/// The file that holds a log's last line number and hash.
fn head_path(log: &Path) -> PathBuf {
    log.with_extension("head")
}

/// Reads a log's whole lines, and the number of bytes after the last line end.
fn lines(path: &Path) -> io::Result<(Vec<String>, u64)> {
    let bytes = files::read(path)?.unwrap_or_default();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = bytes[..whole].split(|byte| *byte == b'\n').map(|line| String::from_utf8_lossy(line).into_owned());
    let mut lines: Vec<String> = lines.collect();
    lines.pop();
    Ok((lines, (bytes.len() - whole) as u64))
}

impl LogFile {
    /// Opens or creates a log. An altered log is continued: its lines stay, and [`verify`] still
    /// reports them.
    pub(crate) fn open(path: &Path, now: WallTime) -> Result<Self, LogError> {
        let io_error = |source| LogError::Io { path: path.to_owned(), source };
        let (lines, torn) = lines(path).map_err(io_error)?;
        let last = lines.iter().rev().find_map(|line| serde_json::from_str::<Line>(line).ok());
        let head = last.map(|line| LogHead { number: line.record.number, hash: line.hash }).unwrap_or_default();
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(io_error)?;
        let whole = file.seek(SeekFrom::End(0)).map_err(io_error)?.saturating_sub(torn);
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole))).map_err(io_error)?;
        let mut log = Self { path: path.to_owned(), file, head };
        if torn > 0 {
            log.append(now, Happened::LineCutOff { bytes: torn })?;
        }
        Ok(log)
    }

    /// Appends a line, and returns once it is on disk.
    pub(crate) fn append(&mut self, now: WallTime, happened: Happened) -> Result<(), LogError> {
        let io_error = |source| LogError::Io { path: self.path.clone(), source };
        let record = Record { number: self.head.number + 1, at: now, happened };
        let hash = hash(&self.head.hash, &record).map_err(|error| io_error(error.into()))?;
        let head = LogHead { number: record.number, hash: hash.clone() };
        let mut line = serde_json::to_vec(&Line { record, hash }).map_err(|error| io_error(error.into()))?;
        line.push(b'\n');
        let end = self.file.stream_position().map_err(io_error)?;
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line would corrupt the next one.
            let _ = self.file.set_len(end).and_then(|()| self.file.seek(SeekFrom::Start(end)));
            return Err(io_error(error));
        }
        self.head = head;
        let head = serde_json::to_vec(&self.head).map_err(|error| io_error(error.into()))?;
        files::replace(&head_path(&self.path), &head).map_err(io_error)
    }
}

/// Reads a log and checks that every line is as it was written and none is missing.
///
/// # Errors
/// If it cannot be read or is not whole; names the first wrong line.
pub fn verify(path: &Path) -> Result<Vec<Record>, LogError> {
    let io_error = |source| LogError::Io { path: path.to_owned(), source };
    let (lines, _) = lines(path).map_err(io_error)?;
    let head = files::read(&head_path(path)).map_err(io_error)?;
    // Without that file only the lines themselves are checked.
    let head: LogHead = head.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let mut records = Vec::with_capacity(lines.len());
    let mut before = String::new();
    for (text, number) in lines.iter().zip(1..) {
        let altered = || LogError::Altered { path: path.to_owned(), line: number };
        let line: Line = serde_json::from_str(text).map_err(|_| altered())?;
        let right = hash(&before, &line.record).is_ok_and(|hash| hash == line.hash)
            && line.record.number == number
            && serde_json::to_string(&line).is_ok_and(|written| written == *text)
            && (head.number != number || head.hash == line.hash);
        if !right {
            return Err(altered());
        }
        before = line.hash;
        records.push(line.record);
    }
    let found = records.len() as u64;
    if found < head.number {
        return Err(LogError::CutOff { path: path.to_owned(), found, expected: head.number });
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn at(ms: i64) -> WallTime {
        WallTime::from_unix_nanos((1_790_000_000_000 + ms) * 1_000_000 + 1234)
    }

    fn written(folder: &Path, count: i64) -> PathBuf {
        let path = folder.join("log.jsonl");
        let mut log = LogFile::open(&path, at(0)).expect("opens");
        for n in 1..=count {
            log.append(at(n), Happened::Released { reason: format!("fire in hall {n}\n\"北\""), uid: Some(7) })
                .expect("writes");
        }
        path
    }

    #[test]
    fn a_log_continues_over_restarts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = written(folder.path(), 2);
        let mut log = LogFile::open(&path, at(9)).expect("opens");
        log.append(at(10), Happened::NodeBack).expect("writes");
        let records = verify(&path).expect("whole");
        assert_eq!(records.iter().map(|record| record.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((&records[2].happened, log.head.number), (&Happened::NodeBack, 3));
    }

    #[test]
    fn every_changed_line_is_reported_by_number() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = written(folder.path(), 4);
        let good = fs::read_to_string(&path).expect("text");
        let lines: Vec<&str> = good.lines().collect();
        let with = |text: String| {
            fs::write(&path, text).expect("writes");
            verify(&path)
        };
        let third = good.find(lines[2]).expect("there");
        for (offset, byte) in lines[2].bytes().enumerate() {
            let mut bytes = good.clone().into_bytes();
            bytes[third + offset] = if byte == b'0' { b'1' } else { b'0' };
            let error = with(String::from_utf8_lossy(&bytes).into_owned()).expect_err("altered");
            assert!(matches!(error, LogError::Altered { line: 3, .. }), "byte {offset}: {error}");
        }
        let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let without_second = with(joined(&[lines[0], lines[2], lines[3]]));
        assert!(matches!(without_second, Err(LogError::Altered { line: 2, .. })), "{without_second:?}");
        let swapped = with(joined(&[lines[0], lines[2], lines[1], lines[3]]));
        assert!(matches!(swapped, Err(LogError::Altered { line: 2, .. })), "{swapped:?}");
        let blank = with(joined(&[lines[0], "", lines[1], lines[2], lines[3]]));
        assert!(matches!(blank, Err(LogError::Altered { line: 2, .. })), "{blank:?}");
        let cut = with(joined(&lines[..3]));
        assert!(matches!(cut, Err(LogError::CutOff { found: 3, expected: 4, .. })), "{cut:?}");
        assert_eq!(with(good.clone()).expect("whole").len(), 4);
    }

    #[test]
    fn a_replaced_log_is_detected_by_its_end() {
        let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let path = written(folder.path(), 2);
        let mut log = LogFile::open(&other.path().join("log.jsonl"), at(0)).expect("opens");
        log.append(at(1), Happened::NodeBack).expect("writes");
        log.append(at(2), Happened::NodeBack).expect("writes");
        fs::copy(other.path().join("log.jsonl"), &path).expect("copies");
        assert!(matches!(verify(&path), Err(LogError::Altered { line: 2, .. })));
    }

    #[test]
    fn a_torn_line_is_removed_and_logged() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = written(folder.path(), 2);
        let whole = fs::read_to_string(&path).expect("text");
        for torn in ["{", "{\"record\":{\"number\":3,\"at\":\"20", "\u{fffd}"] {
            fs::write(&path, format!("{whole}{torn}")).expect("writes");
            let log = LogFile::open(&path, at(5)).expect("opens");
            assert_eq!(log.head.number, 3);
            let records = verify(&path).expect("whole");
            assert_eq!(records[2].happened, Happened::LineCutOff { bytes: torn.len() as u64 });
            // For the next round.
            fs::remove_file(head_path(&path)).expect("there");
        }
    }
}
