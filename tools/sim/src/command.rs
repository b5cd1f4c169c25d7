//! The line protocol that controls a running simulator.

use std::{str::FromStr, time::Duration};

use crate::{CameraClock, Fault, SenderReports, fault::FaultError};

/// One line typed by the operator. A mount's name may have a leading slash.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `fault MOUNT FAULT`
    Fault(String, Fault),
    /// `clear MOUNT`
    Clear(String),
    /// `reports MOUNT normal|missing|late SECONDS`: RTCP sender reports from now on
    Reports(String, SenderReports),
    /// `clock MOUNT right|garbage|SECONDS [PPM]`: the camera's clock from now on
    Clock(String, CameraClock),
    /// `stats`
    Stats,
    /// `stop`: the server stops.
    StopServer,
    /// `restart`: the server starts again on the same port.
    RestartServer,
    /// `help`
    Help,
    /// `quit`
    Quit,
}

/// A line that could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Fault(#[from] FaultError),
    #[error("{0:?} is not a command; type \"help\" for the list")]
    Unknown(String),
}

impl Command {
    /// What `help` prints.
    pub const HELP: &str = "\
fault MOUNT drop|refuse|freeze|black|silence|wrong-password   something goes wrong now
fault MOUNT resolution WIDTHxHEIGHT                           the picture size changes in mid-stream
clear MOUNT                                                   all is well again
reports MOUNT normal|missing|late SECONDS                     RTCP sender reports
clock MOUNT right|garbage|SECONDS [PPM]                       the camera's clock: SECONDS ahead, gaining PPM
stats                                                         counters of every mount
stop / restart                                                the whole server goes away / comes back
help / quit";

    /// Parses one line, such as `fault plaza black`.
    ///
    /// # Errors
    /// Names the word that was not understood.
    pub fn parse(line: &str) -> Result<Self, CommandError> {
        let unknown = || CommandError::Unknown(line.to_owned());
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words.as_slice() {
            ["fault", mount, fault @ ..] => Self::Fault((*mount).to_owned(), Fault::from_str(&fault.join(" "))?),
            ["clear", mount] => Self::Clear((*mount).to_owned()),
            ["reports", mount, policy @ ..] => {
                let reports = match policy {
                    ["normal"] => SenderReports::Normal,
                    ["missing"] => SenderReports::Missing,
                    ["late", seconds] => SenderReports::Late(
                        seconds
                            .parse()
                            .ok()
                            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                            .ok_or_else(unknown)?,
                    ),
                    _ => return Err(unknown()),
                };
                Self::Reports((*mount).to_owned(), reports)
            }
            ["clock", mount, clock @ ..] => {
                let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite()).ok_or_else(unknown);
                let clock = match clock {
                    ["right"] => CameraClock::default(),
                    ["garbage"] => CameraClock { garbage: true, ..CameraClock::default() },
                    [seconds] => CameraClock { offset_seconds: number(seconds)?, ..CameraClock::default() },
                    [seconds, ppm] => {
                        CameraClock { offset_seconds: number(seconds)?, drift_ppm: number(ppm)?, garbage: false }
                    }
                    _ => return Err(unknown()),
                };
                Self::Clock((*mount).to_owned(), clock)
            }
            ["stats"] => Self::Stats,
            ["stop"] => Self::StopServer,
            ["restart"] => Self::RestartServer,
            ["help"] => Self::Help,
            ["quit"] => Self::Quit,
            _ => return Err(unknown()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_commands() {
        let plaza = || "plaza".to_owned();
        for (line, command) in [
            ("fault plaza black", Command::Fault(plaza(), Fault::Black)),
            (
                "  fault plaza resolution  640x360 ",
                Command::Fault(plaza(), Fault::Resolution { width: 640, height: 360 }),
            ),
            ("clear plaza", Command::Clear(plaza())),
            ("reports plaza late 2.5", Command::Reports(plaza(), SenderReports::Late(Duration::from_millis(2500)))),
            ("reports plaza missing", Command::Reports(plaza(), SenderReports::Missing)),
            ("clock plaza right", Command::Clock(plaza(), CameraClock::default())),
            (
                "clock plaza -5 500",
                Command::Clock(plaza(), CameraClock { offset_seconds: -5.0, drift_ppm: 500.0, garbage: false }),
            ),
            ("stats", Command::Stats),
            ("stop", Command::StopServer),
            ("restart", Command::RestartServer),
            ("help", Command::Help),
            ("quit", Command::Quit),
        ] {
            assert_eq!(Command::parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn a_wrong_line_says_what_was_wrong() {
        for line in [
            "",
            "fault",
            "clear",
            "reports plaza late soon",
            "reports plaza late -1",
            "stats plaza",
            "clock plaza soon",
            "clock plaza inf",
            "dance",
        ] {
            assert_eq!(Command::parse(line), Err(CommandError::Unknown(line.to_owned())), "{line}");
        }
        let error = Command::parse("fault plaza blck").unwrap_err();
        assert!(error.to_string().contains("\"blck\" is not a fault"), "{error}");
    }
}
