//! Cameras that take next to nothing to simulate, for benches: what is measured is whoever watches them.
//!
//! A [`Sim`](crate::Sim) makes packets anew for each camera and picture, which takes 6 to 9 ms of processor time a camera-second on a slow
//! machine: a twentieth of what a node takes to look at it. Here GStreamer's payloader makes a clip's packets once ([`packets`]), and one
//! thread sends them to all clients, with numbers, times and sender reports of each client's own ([`session`]). What it lacks: other
//! transports than RTSP's own connection (RFC 2326, section 10.12), logins, faults, and B-frames.

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

use crate::{Clip, ClipLibrary, MountConfig, SimError};
use packets::Recording;
use session::Session;

/// How often clients that don't play yet, and new ones, are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Since the machine was started.
fn monotonic() -> Duration {
    Duration::from_micros(u64::try_from(glib::monotonic_time()).unwrap_or_default())
}

/// What a mount sends.
struct Camera {
    recording: Arc<Recording>,
    /// So long after a client begins to play comes its first picture.
    key_wait: Duration,
}

/// Running cameras. Dropping them stops them.
pub struct Replay {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Replay {
    /// Encodes the scenes, makes their packets and starts sending to whoever asks. Of a mount its path, scene, encoding and
    /// `key_wait_seconds` are heeded.
    ///
    /// # Errors
    /// Names the mount whose scene cannot be encoded, or the address that cannot be listened on.
    pub fn start(mounts: &[MountConfig], library: &ClipLibrary) -> Result<Self, SimError> {
        gstreamer::init().map_err(|error| SimError::GStreamer(error.to_string()))?;
        // Mounts that show the same share its packets.
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
            cameras.insert(mount.name().to_owned(), Camera { recording, key_wait });
        }
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listen = |error: io::Error| SimError::Listen { address: any, reason: error.to_string() };
        let listener = TcpListener::bind(any).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread_name = "sim-replay".to_owned();
        let thread = thread::Builder::new()
            .name(thread_name.clone())
            .spawn(move || serve(&listener, &cameras, &stop))
            .map_err(|source| SimError::Thread { name: thread_name, source })?;
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

/// Until it is to stop: takes new clients, answers them, and sends each what is due.
fn serve(listener: &TcpListener, cameras: &HashMap<String, Camera>, stopping: &AtomicBool) {
    let mut sessions: Vec<Session> = Vec::new();
    let mut look = monotonic();
    while !stopping.load(Ordering::Relaxed) {
        let now = monotonic();
        if now >= look {
            look = now + LOOK_EVERY;
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
            sessions.retain_mut(|session| session.is_playing() || session.converse(cameras));
        }
        sessions.retain_mut(|session| session.send_due(now, cameras));
        let due = sessions.iter().filter_map(Session::due).min().map_or(look, |due| due.min(look));
        thread::sleep(due.saturating_sub(monotonic()));
    }
}
