//! A client for cameras' RTSP (RFC 2326), on one thread per camera.
//!
//! The thread receives RTP over the RTSP connection or in datagrams, puts packets in order, and
//! pushes them into the pipeline: it also depayloads, parses and decodes. So no packet waits in a
//! queue, and a camera whose frames can't be decoded in time is held back by its own connection.
//! `docs/design/capture.md` says why it is our own.
//!
//! - `address`, `message`, `connection`: addresses, text and bytes;
//! - `dialogue`: questions and answers, with logins;
//! - `describe`, `transport`, `keep_alive`, `session`: one connection from DESCRIBE to TEARDOWN;
//! - `header`, `source`, `reorder`, `units`, `timeline`, `rtcp`, `receiver`: packets;
//! - `words`: what goes wrong, for an operator.

mod address;
mod connection;
mod describe;
mod dialogue;
mod header;
mod keep_alive;
mod message;
mod receiver;
mod reorder;
mod rtcp;
mod session;
mod source;
mod timeline;
mod transport;
mod units;
mod words;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use gatehouse_core::CameraId;
use gatehouse_core::stream::{Login, RtspUrl, Transport};
use gatehouse_core::time::Clock;
use gstreamer as gst;
use gstreamer::prelude::*;
use parking_lot::Mutex;

use crate::codec::Codec;
use crate::failure::Failure;
use crate::note::Note;
use crate::options::StreamOptions;
use crate::shared_plan::SharedPlan;
use address::Address;
use connection::Wake;
use describe::Track;
use keep_alive::KeepAliveMethod;
use session::End;

/// The most redirections of one connection.
const MAX_REDIRECTS: usize = 3;
/// The longest wait for the thread's end. It may still look a name up, and then ends by itself.
const STOP_WITHIN: Duration = Duration::from_millis(500);

/// What is learnt of a camera and kept for its next connection.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The transport that the camera refuses, or that brings nothing.
    refused: Option<Transport>,
    keep_alive: KeepAliveMethod,
}

impl Default for Memory {
    fn default() -> Self {
        Self { refused: None, keep_alive: KeepAliveMethod::GetParameter }
    }
}

/// Connects a track's packets to the pipeline: the pad that they leave, by its caps and codec.
pub(crate) type Attach = Box<dyn Fn(&gst::Pad, &gst::Caps, Codec) -> Result<(), Failure> + Send>;

/// What a camera's client needs.
pub(crate) struct Setup {
    camera: CameraId,
    url: RtspUrl,
    login: Option<Login>,
    wanted_transport: Transport,
    latency: Duration,
    clock: Arc<dyn Clock>,
    plan: Arc<SharedPlan>,
    notes: Sender<Note>,
    memory: Arc<Mutex<Memory>>,
    wake: Arc<Wake>,
    attach: Attach,
    /// Where packets leave.
    pad: gst::Pad,
    /// The codec of the pipeline, once it is connected.
    attached: Option<Codec>,
}

impl Setup {
    fn transport(&self) -> Transport {
        match self.memory.lock().refused {
            Some(Transport::Tcp) => Transport::Udp,
            Some(Transport::Udp) => Transport::Tcp,
            None => self.wanted_transport,
        }
    }

    fn is_refused(&self, transport: Transport) -> bool {
        self.memory.lock().refused == Some(transport)
    }

    /// The camera uses this transport and not the wanted one. `status`: why.
    fn remember(&self, used: Transport, status: Option<u16>) {
        let refused = if used == Transport::Tcp { Transport::Udp } else { Transport::Tcp };
        if self.memory.lock().refused.replace(refused) == Some(refused) || used == self.wanted_transport {
            return;
        }
        let camera = &self.camera;
        let why = status.map_or_else(|| "brings no packet".to_owned(), |status| format!("is refused ({status})"));
        tracing::warn!(
            %camera,
            "RTP over {refused} {why}: it is received over {used}. Set `transport = \"{used}\"` to begin with it"
        );
    }

    /// Connects the track to the pipeline, or changes its caps on a later connection.
    fn attach(&mut self, track: &Track) -> Result<(), Failure> {
        match self.attached {
            None => {
                (self.attach)(&self.pad, &track.caps, track.codec)?;
                self.attached = Some(track.codec);
                self.pad.push_event(gst::event::StreamStart::new(self.camera.as_str()));
                self.pad.push_event(gst::event::Caps::new(&track.caps));
                self.pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
            }
            Some(codec) if codec == track.codec => {
                self.pad.push_event(gst::event::Caps::new(&track.caps));
            }
            Some(_) => return Err(Failure::Lost("the camera changed its codec; the node connects anew".into())),
        }
        Ok(())
    }
}

/// A camera's running client.
pub(crate) struct Client {
    wake: Arc<Wake>,
    /// Closed by the thread when it ends.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Client {
    /// Connects and receives on a thread of its own, which reports failures in a [`Note`].
    ///
    /// # Errors
    /// If the system gives no thread or descriptor.
    pub(crate) fn start(
        options: &StreamOptions,
        url: &RtspUrl,
        clock: &Arc<dyn Clock>,
        plan: &Arc<SharedPlan>,
        notes: Sender<Note>,
        memory: &Arc<Mutex<Memory>>,
        attach: Attach,
    ) -> io::Result<Self> {
        let wake = Arc::new(Wake::new()?);
        let (alive, ended) = bounded::<()>(0);
        let mut setup = Setup {
            camera: options.camera.clone(),
            url: url.clone(),
            login: options.login.clone(),
            wanted_transport: options.transport,
            latency: options.latency,
            clock: Arc::clone(clock),
            plan: Arc::clone(plan),
            notes,
            memory: Arc::clone(memory),
            wake: Arc::clone(&wake),
            attach,
            pad: gst::Pad::builder(gst::PadDirection::Src).name("rtp").build(),
            attached: None,
        };
        let (priority, camera) = (options.thread_priority, options.camera.clone());
        let thread = std::thread::Builder::new().name(format!("rtsp-{camera}")).spawn(move || {
            let _alive = alive;
            if let Err(e) = priority.apply_to_current_thread() {
                tracing::warn!(%camera, "cannot lower the priority of its thread: {e}; it will compete with gates");
            }
            setup.run();
        })?;
        Ok(Self { wake, ended, thread })
    }

    /// Ends the session and the thread.
    pub(crate) fn stop(self) {
        self.wake.ask_to_stop();
        // Nothing is ever sent: the channel is closed, or it is late.
        if self.ended.recv_timeout(STOP_WITHIN) == Err(crossbeam_channel::RecvTimeoutError::Disconnected) {
            // The panic hook has printed a panic, if there was one.
            let _ = self.thread.join();
        }
    }
}

impl Setup {
    fn run(&mut self) {
        if self.pad.set_active(true).is_err() {
            return self.fail(Failure::Lost("the pipeline can't be built: its input does not start".into()));
        }
        if let Some(failure) = self.receive() {
            self.fail(failure);
        }
        if let Some(peer) = self.pad.peer() {
            // It was linked by `attach`.
            let _ = self.pad.unlink(&peer);
        }
        let _ = self.pad.set_active(false);
    }

    fn fail(&self, failure: Failure) {
        // The camera's thread may have ended.
        let _ = self.notes.send(Note::Failed(failure));
    }

    /// Receives until it is asked to stop (`None`), or fails.
    fn receive(&mut self) -> Option<Failure> {
        let Some(first) = Address::of(&self.url, self.login.as_ref()) else {
            return Some(Failure::Lost("the address in `source` can't be read".into()));
        };
        let (mut address, mut redirects) = (first.clone(), 0);
        loop {
            let is_elsewhere = !address.has_host_of(&first);
            match session::run(self, &address, is_elsewhere) {
                End::Stopped => return None,
                End::Failed(failure) => return Some(failure),
                End::OtherTransport(transport) => self.remember(transport, None),
                End::Redirected(to) => {
                    redirects += 1;
                    if redirects > MAX_REDIRECTS {
                        return Some(words::too_many_redirects(MAX_REDIRECTS));
                    }
                    address = to;
                }
            }
        }
    }
}
