//! Cameras that need little processor time, for benchmarks of the node that watches them.
//!
//! A [`Sim`](crate::Sim) makes packets for each camera and picture, which takes 6 to 9 ms of
//! processor time per camera-second on a slow machine: a twentieth of the time that a node needs
//! for the camera. Here GStreamer's payloader makes a clip's packets once ([`packets`]), and one
//! thread sends them to all clients, with sequence numbers, timestamps and sender reports for each
//! client ([`session`]). It supports no fault and no B-frames, but the oddities of cameras
//! ([`odd`], [`login`]).

mod login;
mod odd;
mod packets;
mod session;

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use gstreamer::glib;

use crate::{
    ClipLibrary, Codec, MountConfig, Oddity, SimError,
    clip::Clip,
    error::{cannot_listen, init_gstreamer, spawn},
};
use packets::Recording;
use session::Session;

pub use login::Algorithm;

/// Time between two checks for new clients and for clients that do not play yet.
const CHECK_EVERY: Duration = Duration::from_millis(5);

/// Time since the machine's start.
fn monotonic() -> Duration {
    Duration::from_micros(u64::try_from(glib::monotonic_time()).unwrap_or_default())
}

struct Camera {
    recording: Arc<Recording>,
    /// Time from a client's PLAY to its first picture.
    key_wait: Duration,
    codec: Codec,
    oddities: Vec<Oddity>,
}

/// Running cameras. Dropping them stops them.
pub struct Replay {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Replay {
    /// Encodes the scenes, makes their packets and starts to serve them. Uses only the path, scene,
    /// encoding, `key_wait_seconds` and oddities of a mount.
    ///
    /// # Errors
    /// Names the mount whose scene cannot be encoded, or the address that cannot be listened on.
    pub fn start(mounts: &[MountConfig], library: &ClipLibrary) -> Result<Self, SimError> {
        init_gstreamer()?;
        // Mounts with the same clip share its packets.
        let mut recordings: Vec<(Arc<Clip>, Arc<Recording>)> = Vec::new();
        let mut cameras = HashMap::new();
        for mount in mounts {
            let failed = |source| SimError::Clip { mount: mount.name().to_owned(), source };
            let clip = library.get(&mount.scene, &mount.encoding()).map_err(failed)?;
            let known = recordings.iter().find(|(of, _)| Arc::ptr_eq(of, &clip));
            let recording = match known {
                Some((_, recording)) => Arc::clone(recording),
                None => {
                    let recording = Arc::new(Recording::of(&clip).map_err(failed)?);
                    recordings.push((clip, Arc::clone(&recording)));
                    recording
                }
            };
            let key_wait = Duration::from_secs_f64(mount.key_wait_seconds);
            cameras.insert(
                mount.name().to_owned(),
                Camera { recording, key_wait, codec: mount.codec, oddities: mount.oddities.clone() },
            );
        }
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listen = |error: io::Error| cannot_listen(any, &error.to_string());
        let listener = TcpListener::bind(any).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = spawn("sim-replay", move || serve(&listener, &cameras, &stop))?;
        Ok(Self { address, stopping, thread: Some(thread) })
    }

    /// The URL of a mount. It need not exist.
    pub fn url(&self, mount: &str) -> String {
        format!("rtsp://{}/{}", self.address, mount.trim_matches('/'))
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of replayed cameras panicked");
        }
    }
}

/// Accepts clients, answers them, and sends the packets that are due, until stopped.
fn serve(listener: &TcpListener, cameras: &HashMap<String, Camera>, stopping: &AtomicBool) {
    let mut sessions: Vec<Session> = Vec::new();
    let mut next_check = monotonic();
    while !stopping.load(Ordering::Relaxed) {
        let now = monotonic();
        if now >= next_check {
            next_check = now + CHECK_EVERY;
            loop {
                match listener.accept() {
                    Ok((stream, _)) => sessions.extend(Session::new(stream).inspect_err(|error| {
                        tracing::warn!(%error, "a client of replayed cameras can't be served");
                    })),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        tracing::warn!(%error, "a client of replayed cameras can't be taken");
                        break;
                    }
                }
            }
            sessions.retain_mut(|session| session.is_playing() || session.converse(now, cameras));
        }
        sessions.retain_mut(|session| session.send_due(now, cameras));
        let due = sessions.iter().filter_map(Session::due).min().map_or(next_check, |due| due.min(next_check));
        thread::sleep(due.saturating_sub(monotonic()));
    }
}
