//! Asks a camera and hears its answers, with the login where it wants one.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::stream::Login;
use gatehouse_core::time::Clock;
use gatehouse_login::{Authorization, NoKnownMethod, Request};

use super::connection::{Connection, Event, Trouble};
use super::message::{Response, answer, request};
use super::words;
use crate::failure::Failure;

/// The longest wait for a camera's answer.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The most packets that are kept while an answer is waited for.
const MAX_EARLY: usize = 512;
/// How often in a row a nonce may be too old.
const MAX_STALE: u32 = 2;

/// Why a connection ends.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The camera's thread was asked to stop, or the pipeline takes nothing more.
    Stopped,
    Failed(Failure),
    /// The connection is of no more use.
    Broken(Failure),
}

/// The questions and answers of one connection.
pub(crate) struct Dialogue {
    pub(crate) connection: Connection,
    clock: Arc<dyn Clock>,
    login: Option<Login>,
    /// True if a redirection led to a host that the login is not for.
    pub(crate) is_elsewhere: bool,
    authorization: Option<Authorization>,
    /// True once the camera accepted the login on this connection.
    is_accepted: bool,
    sequence: u32,
    session: Option<String>,
    /// Packets that came before an answer, with their channels.
    pub(crate) early: Vec<(u8, Vec<u8>)>,
}

impl Dialogue {
    /// `login`: what to answer if the camera asks for one.
    pub(crate) fn new(connection: Connection, clock: &Arc<dyn Clock>, login: Option<Login>) -> Self {
        Self {
            connection,
            clock: Arc::clone(clock),
            login,
            is_elsewhere: false,
            authorization: None,
            is_accepted: false,
            sequence: 0,
            session: None,
            early: Vec::new(),
        }
    }

    /// Later requests are of this session.
    pub(crate) fn begin_session(&mut self, id: String) {
        self.session = Some(id);
    }

    pub(crate) fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Sends a request without waiting for its answer.
    ///
    /// # Errors
    /// If the connection is broken.
    pub(crate) fn send(&mut self, method: &str, url: &str, fields: &[(&str, &[u8])]) -> Result<(), Trouble> {
        self.sequence += 1;
        let credentials = match (&mut self.authorization, &self.login) {
            (Some(authorization), Some(login)) => {
                Some(authorization.field(login, &Request { method, url, body: b"" }, rand::random()))
            }
            _ => None,
        };
        let session = self.session.as_deref().map(|id| ("Session", id.as_bytes()));
        let credentials = credentials.as_deref().map(|field| ("Authorization", field));
        let fields: Vec<_> = session.into_iter().chain(credentials).chain(fields.iter().copied()).collect();
        let bytes = request(method, url, self.sequence, &fields);
        let until = self.clock.monotonic() + ANSWER_WITHIN;
        self.connection.send(&bytes, until)
    }

    /// Sends a request and returns the camera's answer, with the login if the camera wants one.
    ///
    /// A refused login is sent once a connection: cameras lock an account after a few. It was not
    /// refused if the camera calls the nonce stale, or has accepted the same login before.
    ///
    /// # Errors
    /// If no answer comes, or the camera wants a login and gets none that it accepts.
    pub(crate) fn ask(&mut self, method: &str, url: &str, fields: &[(&str, &[u8])]) -> Result<Response, Problem> {
        let (mut stale, mut was_renewed) = (0, false);
        loop {
            let was_sent = self.authorization.is_some() && self.login.is_some();
            let sent = self.send(method, url, fields);
            let response = sent.and_then(|()| self.next_answer()).map_err(|trouble| problem(&trouble, method))?;
            if response.status != 401 {
                self.is_accepted |= was_sent && response.status < 400;
                return Ok(response);
            }
            let failed = |failure| Err(Problem::Failed(failure));
            if self.login.is_none() {
                return failed(if self.is_elsewhere { words::needs_login_elsewhere() } else { words::needs_login() });
            }
            let Ok(fresh) = self.challenge(&response) else {
                return failed(if was_sent { words::refused() } else { words::unknown_login_method() });
            };
            if was_sent {
                if fresh.is_stale() && stale < MAX_STALE {
                    stale += 1;
                } else if self.is_accepted && !was_renewed {
                    was_renewed = true;
                } else {
                    return failed(words::refused());
                }
            }
            self.authorization = Some(fresh);
        }
    }

    fn challenge(&self, response: &Response) -> Result<Authorization, NoKnownMethod> {
        Authorization::choose(response.headers.all("WWW-Authenticate"))
    }

    /// A later answer asks for the login anew: the next request has it.
    pub(crate) fn renew(&mut self, response: &Response) {
        if let (Some(_), Ok(fresh)) = (&self.login, self.challenge(response)) {
            self.authorization = Some(fresh);
        }
    }

    fn next_answer(&mut self) -> Result<Response, Trouble> {
        let until = self.clock.monotonic() + ANSWER_WITHIN;
        loop {
            match self.connection.next()? {
                // An interim answer.
                Some(Event::Response(response)) if response.status < 200 => {}
                Some(Event::Response(response)) => return Ok(response),
                Some(Event::Request(asked)) => self.connection.send(&answer(&asked), until)?,
                Some(Event::Packet { channel, bytes }) => {
                    if self.early.len() < MAX_EARLY {
                        self.early.push((channel, bytes.to_vec()));
                    }
                }
                None => {
                    let left = until.since(self.clock.monotonic());
                    if left.is_zero() {
                        return Err(Trouble::Silent);
                    }
                    if self.connection.wait(left, None)?.connection {
                        self.connection.fill()?;
                    }
                }
            }
        }
    }

    /// Ends the session. The camera's answer is waited for only a moment: one that is gone must not
    /// hold up the camera's end.
    pub(crate) fn tear_down(&mut self, url: &str, within: Duration) {
        if self.has_session() && self.send("TEARDOWN", url, &[]).is_ok() {
            let until = self.clock.monotonic() + within;
            self.connection.wait_for_last_answer(until);
        }
    }
}

/// The problem that a trouble is while a method is answered.
pub(crate) fn problem(trouble: &Trouble, method: &str) -> Problem {
    match trouble {
        Trouble::Stopped => Problem::Stopped,
        trouble => Problem::Broken(words::of_trouble(trouble, &format!("at {method}"))),
    }
}
