//! One connection to a camera from DESCRIBE to TEARDOWN (RFC 2326).
//!
//! No OPTIONS comes first: some cameras answer it with an error, or close the connection.

use std::io::ErrorKind;
use std::time::Duration;

use gatehouse_core::stream::Transport;
use gatehouse_core::time::Monotonic;
use gstreamer as gst;

use super::address::Address;
use super::connection::{Connection, Event, Trouble};
use super::describe::{Track, choose_track};
use super::dialogue::{ANSWER_WITHIN, Dialogue, Problem, problem};
use super::keep_alive::{KeepAlive, KeepAliveMethod, session};
use super::message::{Response, answer};
use super::receiver::Receiver;
use super::transport::{Answered, Datagrams, asked_for, read};
use super::{Setup, words};
use crate::failure::Failure;
use crate::note::Note;

/// The longest wait for the first datagram; then the other transport is tried.
const FIRST_DATAGRAM_WITHIN: Duration = Duration::from_secs(5);
/// The longest time for TEARDOWN.
const TEARDOWN: Duration = Duration::from_millis(100);
/// Time between two receiver reports (RFC 3550, section 6.2).
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// A connection that the camera closes so soon behind the first GET_PARAMETER was closed because of
/// it.
const DISLIKED_WITHIN: Duration = Duration::from_secs(3);
/// The most datagrams that are read before timers are looked at.
const DATAGRAMS_AT_ONCE: usize = 256;
/// The longest datagram.
const MAX_DATAGRAM: usize = 64 << 10;

/// How a connection ended.
pub(crate) enum End {
    Stopped,
    Failed(Failure),
    Redirected(Address),
    /// Nothing comes over this transport; the other one is to be tried.
    OtherTransport(Transport),
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Stopped => Self::Stopped,
            Problem::Failed(failure) | Problem::Broken(failure) => Self::Failed(failure),
        }
    }
}

/// Connects to an address and receives until something ends it. `is_elsewhere`: a redirection led
/// to a host that the login is not for.
pub(crate) fn run(setup: &mut Setup, address: &Address, is_elsewhere: bool) -> End {
    let connection = match Connection::open(address, ANSWER_WITHIN, &setup.wake, &setup.clock) {
        Ok(connection) => connection,
        Err(Trouble::Stopped) => return End::Stopped,
        Err(Trouble::Io(error)) => return End::Failed(words::cannot_connect(&error)),
        Err(_) => return End::Failed(words::cannot_connect(&ErrorKind::TimedOut.into())),
    };
    let login = setup.login.clone().filter(|_| !is_elsewhere);
    let mut dialogue = Dialogue::new(connection, &setup.clock, login);
    dialogue.is_elsewhere = is_elsewhere;
    let mut session_url = address.as_str().to_owned();
    let end = converse(setup, &mut dialogue, address, &mut session_url);
    if dialogue.connection.skipped() > 0 {
        let (camera, bytes) = (&setup.camera, dialogue.connection.skipped());
        tracing::debug!(%camera, "the camera sent {bytes} bytes between messages and packets that are no RTSP");
    }
    match end {
        Ok(end) => {
            dialogue.tear_down(&session_url, TEARDOWN);
            end
        }
        Err(problem) => {
            if !matches!(problem, Problem::Broken(_)) {
                dialogue.tear_down(&session_url, TEARDOWN);
            }
            problem.into()
        }
    }
}

fn converse(
    setup: &mut Setup,
    dialogue: &mut Dialogue,
    address: &Address,
    session_url: &mut String,
) -> Result<End, Problem> {
    let described = dialogue.ask("DESCRIBE", address.as_str(), &[("Accept", b"application/sdp")])?;
    match described.status {
        200..=299 => {}
        301 | 302 | 303 | 307 | 308 => {
            let location = described.headers.get("Location").unwrap_or_default();
            let to = address.redirected(&location);
            return to.map(End::Redirected).map_err(|why| Problem::Failed(Failure::Lost(why.into())));
        }
        status => return Err(Problem::Failed(words::of_status("DESCRIBE", status))),
    }
    let track = choose_track(address.as_str(), &described.headers, &described.body)
        .map_err(|why| Problem::Failed(Failure::Lost(format!("the stream can't be decoded: {why}"))))?;
    session_url.clone_from(&track.session_url);
    setup.attach(&track).map_err(Problem::Failed)?;

    let (answered, datagrams, timeout) = set_up(setup, dialogue, &track)?;
    play(dialogue, session_url)?;
    tracing::debug!(camera = %setup.camera, "plays over {}", answered.transport);
    // The camera's thread may have ended.
    let _ = setup.notes.send(Note::Playing(answered.transport));
    let (rtp, rtcp) = answered.channels;
    dialogue.connection.channels = [rtp, rtcp];
    let receiver = Receiver::new(&track, answered.ssrc, setup.latency, &setup.plan, &setup.pad);
    let now = setup.clock.monotonic();
    let method = setup.memory.lock().keep_alive;
    Playing {
        setup,
        dialogue,
        session_url,
        receiver,
        answered,
        datagrams,
        keep_alive: KeepAlive::new(timeout, method, now),
        asked: None,
        next_report: now + REPORT_EVERY,
        began: now,
    }
    .receive()
}

/// Sets the track up: over the wanted transport, or over the other one if the camera refuses it.
fn set_up(
    setup: &Setup,
    dialogue: &mut Dialogue,
    track: &Track,
) -> Result<(Answered, Option<Datagrams>, Duration), Problem> {
    let wanted = setup.transport();
    let mut refusals = Vec::new();
    let mut transports = vec![wanted, other(wanted)];
    while let Some(transport) = (!transports.is_empty()).then(|| transports.remove(0)) {
        let local = dialogue.connection.local_address();
        let datagrams = match (transport, local) {
            (Transport::Udp, Ok(local)) => match Datagrams::bind(local) {
                Ok(datagrams) => Some(datagrams),
                Err(error) => {
                    let why = format!("the system gives no ports for datagrams: {error}");
                    return Err(Problem::Failed(Failure::Lost(why)));
                }
            },
            _ => None,
        };
        let field = asked_for(transport, datagrams.as_ref());
        let response = ask_for_track(dialogue, track, field.as_bytes())?;
        if response.status >= 300 {
            if matches!(response.status, 403 | 404 | 453 | 454) {
                return Err(Problem::Failed(words::of_status("SETUP", response.status)));
            }
            refusals.push(response.status);
            continue;
        }
        let answered = read(response.headers.get("Transport").as_deref(), transport);
        let (id, timeout) = session(&response.headers.get("Session").unwrap_or_default());
        if !id.is_empty() {
            dialogue.begin_session(id);
        }
        if answered.transport == Transport::Udp && transport == Transport::Tcp {
            // It sends datagrams that nobody asked for: they are asked for.
            refusals.push(461);
            continue;
        }
        if answered.transport != wanted {
            setup.remember(answered.transport, refusals.first().copied());
        }
        let datagrams = datagrams.filter(|_| answered.transport == Transport::Udp);
        return Ok((answered, datagrams, timeout));
    }
    Err(Problem::Failed(words::of_status("SETUP", refusals.first().copied().unwrap_or(461))))
}

fn ask_for_track(dialogue: &mut Dialogue, track: &Track, transport: &[u8]) -> Result<Response, Problem> {
    let mut response = None;
    for url in &track.setup_urls {
        let answer = dialogue.ask("SETUP", url, &[("Transport", transport)])?;
        let is_unknown = matches!(answer.status, 404 | 459);
        let first = response.get_or_insert_with(|| answer.clone());
        if !is_unknown {
            return Ok(answer);
        }
        if first.status != answer.status {
            *first = answer;
        }
    }
    response.ok_or(Problem::Failed(words::of_status("SETUP", 404)))
}

fn other(transport: Transport) -> Transport {
    match transport {
        Transport::Tcp => Transport::Udp,
        Transport::Udp => Transport::Tcp,
    }
}

fn play(dialogue: &mut Dialogue, url: &str) -> Result<(), Problem> {
    let response = dialogue.ask("PLAY", url, &[("Range", b"npt=0.000-")])?;
    let response = match response.status {
        // It wants no range (RFC 2326, section 11.3.8).
        400 | 456 | 457 => dialogue.ask("PLAY", url, &[])?,
        _ => response,
    };
    // `RTP-Info` is not read: cameras state numbers and times there that no packet has.
    if response.status < 300 { Ok(()) } else { Err(Problem::Failed(words::of_status("PLAY", response.status))) }
}

/// A connection whose packets flow.
struct Playing<'c> {
    setup: &'c Setup,
    dialogue: &'c mut Dialogue,
    session_url: &'c str,
    receiver: Receiver,
    answered: Answered,
    datagrams: Option<Datagrams>,
    keep_alive: KeepAlive,
    /// The keep-alive that is not answered yet, and when it was sent.
    asked: Option<(KeepAliveMethod, Monotonic)>,
    next_report: Monotonic,
    began: Monotonic,
}

impl Playing<'_> {
    fn receive(mut self) -> Result<End, Problem> {
        let now = self.setup.clock.monotonic();
        let report = self.receiver.report(now);
        if let (Some(datagrams), Ok(peer)) = (&mut self.datagrams, self.dialogue.connection.peer_address()) {
            datagrams.open(peer, &self.answered, &report);
        }
        for (channel, mut bytes) in std::mem::take(&mut self.dialogue.early) {
            take_packet(&mut self.receiver, self.answered.channels, channel, &mut bytes, now).map_err(stopped)?;
        }
        let mut datagram = vec![0; if self.datagrams.is_some() { MAX_DATAGRAM } else { 0 }];
        loop {
            let now = self.setup.clock.monotonic();
            if let Some(end) = self.on_time(now)? {
                return Ok(end);
            }
            let timeout = self.next_timer(now);
            let ready = self.dialogue.connection.wait(timeout, self.datagrams.as_ref());
            let ready = ready.map_err(|trouble| problem(&trouble, "PLAY"))?;
            let now = self.setup.clock.monotonic();
            if ready.connection {
                self.on_connection(now)?;
            }
            if ready.rtp || ready.rtcp {
                self.on_datagrams(&mut datagram, now).map_err(stopped)?;
            }
            self.receiver.release(now).map_err(stopped)?;
            self.receiver.count();
        }
    }

    fn on_connection(&mut self, now: Monotonic) -> Result<(), Problem> {
        if let Err(trouble) = self.dialogue.connection.fill() {
            let was_disliked = self
                .asked
                .is_some_and(|(method, at)| method == KeepAliveMethod::GetParameter && now.since(at) < DISLIKED_WITHIN);
            if was_disliked {
                self.setup.memory.lock().keep_alive = KeepAliveMethod::Options;
            }
            return Err(Problem::Broken(words::of_trouble(&trouble, "while it sent its stream")));
        }
        loop {
            let event = self.dialogue.connection.next();
            match event.map_err(|trouble| problem(&trouble, "PLAY"))? {
                None => return Ok(()),
                Some(Event::Packet { channel, bytes }) => {
                    take_packet(&mut self.receiver, self.answered.channels, channel, bytes, now).map_err(stopped)?;
                }
                Some(Event::Response(response)) => {
                    self.asked = None;
                    self.keep_alive.on_answer(response.status, now);
                    if response.status == 401 {
                        self.dialogue.renew(&response);
                    }
                }
                Some(Event::Request(request)) => {
                    let sent = self.dialogue.connection.send(&answer(&request), now + ANSWER_WITHIN);
                    sent.map_err(|trouble| problem(&trouble, "PLAY"))?;
                }
            }
        }
    }

    fn on_datagrams(&mut self, buffer: &mut [u8], now: Monotonic) -> Result<(), gst::FlowError> {
        let Some(datagrams) = &self.datagrams else { return Ok(()) };
        for (socket, is_rtp) in [(&datagrams.rtp, true), (&datagrams.rtcp, false)] {
            for _ in 0..DATAGRAMS_AT_ONCE {
                // An error of one datagram, as a port that is not open, does not concern the next.
                let (length, from) = match socket.recv_from(buffer) {
                    Ok(received) => received,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => continue,
                };
                if !datagrams.is_allowed(from) {
                    continue;
                }
                if is_rtp {
                    self.receiver.on_packet(&mut buffer[..length], now)?;
                } else {
                    self.receiver.on_reports(&buffer[..length], now);
                }
            }
        }
        Ok(())
    }

    /// Sends what is due. Returns how the connection ends, if it does.
    fn on_time(&mut self, now: Monotonic) -> Result<Option<End>, Problem> {
        if let Some(method) = self.keep_alive.due(now) {
            self.asked = Some((method, now));
            let sent = self.dialogue.send(method.name(), self.session_url, &[]);
            sent.map_err(|trouble| problem(&trouble, method.name()))?;
        }
        if self.next_report.since(now).is_zero() {
            self.next_report = now + REPORT_EVERY;
            let report = self.receiver.report(now);
            match &self.datagrams {
                Some(datagrams) => datagrams.report(&report),
                None => self.report_on_connection(&report, now)?,
            }
        }
        if self.datagrams.is_some() && !self.receiver.has_begun() && now.since(self.began) >= FIRST_DATAGRAM_WITHIN {
            if self.setup.is_refused(Transport::Tcp) {
                return Err(Problem::Failed(words::no_datagrams(FIRST_DATAGRAM_WITHIN.as_secs())));
            }
            return Ok(Some(End::OtherTransport(Transport::Tcp)));
        }
        Ok(None)
    }

    fn report_on_connection(&mut self, report: &[u8], now: Monotonic) -> Result<(), Problem> {
        // A receiver report is shorter than 64 KiB.
        let length = (report.len() as u16).to_be_bytes();
        let framed = [&[b'$', self.answered.channels.1], &length[..], report].concat();
        let sent = self.dialogue.connection.send(&framed, now + ANSWER_WITHIN);
        sent.map_err(|trouble| problem(&trouble, "PLAY"))
    }

    fn next_timer(&self, now: Monotonic) -> Duration {
        let mut next = self.keep_alive.wait(now).min(self.next_report.since(now));
        if let Some(wait) = self.receiver.wait(now) {
            next = next.min(wait);
        }
        if self.datagrams.is_some() && !self.receiver.has_begun() {
            next = next.min((self.began + FIRST_DATAGRAM_WITHIN).since(now));
        }
        // The system rounds down to milliseconds.
        next + Duration::from_millis(1)
    }
}

/// The pipeline takes no more: it is being stopped, or one of its elements has said why.
fn stopped(_: gst::FlowError) -> Problem {
    Problem::Stopped
}

fn take_packet(
    receiver: &mut Receiver,
    (rtp, rtcp): (u8, u8),
    channel: u8,
    bytes: &mut [u8],
    now: Monotonic,
) -> Result<(), gst::FlowError> {
    if channel == rtp {
        receiver.on_packet(bytes, now)?;
    } else if channel == rtcp {
        receiver.on_reports(bytes, now);
    }
    Ok(())
}
