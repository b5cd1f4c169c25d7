//! The TCP port of all mounts. It reads the first request of each connection, and passes the
//! connection to the mount that the request names.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use gstreamer_rtsp_server::{
    gio::{self, prelude::*},
    glib,
};

use crate::{
    SimError,
    error::{cannot_listen, spawn},
    mount::Mount,
};

/// The mounts by name.
pub(crate) type Mounts = Arc<BTreeMap<String, Arc<Mount>>>;

/// Deadline for a client's first request.
const GREETING: Duration = Duration::from_secs(10);
/// Longest first request, in bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;
const IPPROTO_TCP: i32 = 6;
const TCP_NODELAY: i32 = 1;

pub(crate) struct Door {
    address: SocketAddr,
    closing: gio::Cancellable,
    thread: JoinHandle<()>,
}

impl Door {
    /// Listens on `address`; with port 0 the system chooses one.
    pub(crate) fn open(address: SocketAddr, mounts: Mounts) -> Result<Self, SimError> {
        let closing = gio::Cancellable::new();
        let (opened, result) = mpsc::channel();
        let thread = {
            let closing = closing.clone();
            spawn("sim-door", move || run(address, &mounts, &closing, &opened))?
        };
        match result.recv() {
            Ok(Ok(address)) => Ok(Self { address, closing, thread }),
            Ok(Err(reason)) => Err(cannot_listen(address, &reason)),
            Err(_) => Err(cannot_listen(address, "its thread ended")),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port. Connections that a mount has accepted stay open.
    pub(crate) fn close(self) {
        self.closing.cancel();
        if self.thread.join().is_err() {
            tracing::error!("the listening thread had panicked");
        }
    }
}

fn run(
    address: SocketAddr,
    mounts: &Mounts,
    closing: &gio::Cancellable,
    opened: &mpsc::Sender<Result<SocketAddr, String>>,
) {
    let context = glib::MainContext::new();
    let listened = context.with_thread_default(|| {
        let listener = gio::SocketListener::new();
        let bound = match listen(&listener, address) {
            Ok(bound) => bound,
            Err(error) => {
                // The receiver waits for exactly one answer.
                let _ = opened.send(Err(error.to_string()));
                return;
            }
        };
        let _ = opened.send(Ok(bound));
        let accepting = accept(&context, &listener, mounts, closing);
        // Ends when cancelled, which is no error.
        let _ = context.block_on(gio::CancellableFuture::new(accepting, closing.clone()));
        listener.close();
        // Connections without a complete request are cancelled too.
        while context.iteration(false) {}
    });
    if let Err(error) = listened {
        let _ = opened.send(Err(error.to_string()));
    }
}

fn listen(listener: &gio::SocketListener, address: SocketAddr) -> Result<SocketAddr, glib::Error> {
    let wanted = gio::InetSocketAddress::from(address);
    let bound =
        listener.add_address(&wanted, gio::SocketType::Stream, gio::SocketProtocol::Tcp, None::<&glib::Object>)?;
    let port = bound.downcast_ref::<gio::InetSocketAddress>().map_or(address.port(), |bound| bound.port());
    Ok(SocketAddr::new(address.ip(), port))
}

async fn accept(
    context: &glib::MainContext,
    listener: &gio::SocketListener,
    mounts: &Mounts,
    closing: &gio::Cancellable,
) {
    loop {
        match listener.accept_socket_future().await {
            Ok((socket, _)) => {
                let greeting = glib::future_with_timeout(GREETING, greet(socket, Arc::clone(mounts)));
                let closing = closing.clone();
                context.spawn_local(async move {
                    match gio::CancellableFuture::new(greeting, closing).await {
                        Ok(Ok(Err(error))) => tracing::debug!(error, "a connection came to nothing"),
                        Ok(Err(_)) => tracing::debug!("a client connected and asked for nothing"),
                        Ok(Ok(Ok(()))) | Err(_) => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // Probably out of file handles: wait until others are closed.
                glib::timeout_future(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn greet(socket: gio::Socket, mounts: Mounts) -> Result<(), String> {
    let head = read_head(&socket).await?;
    // Sends small packets at once.
    socket.set_option(IPPROTO_TCP, TCP_NODELAY, 1).map_err(|error| error.to_string())?;
    let Some(mount) = requested_path(&head).and_then(|path| find(&mounts, path)) else {
        return turn_away(&socket, &head, "404 Not Found");
    };
    if mount.is_refusing() {
        mount.board().update(|stats| stats.refused += 1);
        return turn_away(&socket, &head, "503 Service Unavailable");
    }
    let remote = socket.remote_address().map_err(|error| error.to_string())?;
    let remote = remote.downcast::<gio::InetSocketAddress>().map_err(|_| "not an internet address".to_owned())?;
    // The mount's thread makes its own object for the connection; this one stays on this thread.
    let connection = socket.fd().try_clone_to_owned().map_err(|error| error.to_string())?;
    mount.accept(connection, remote.address().to_str().to_string(), remote.port(), head);
    Ok(())
}

/// Reads up to the empty line after the first request's header, and all that arrived with it.
async fn read_head(socket: &gio::Socket) -> Result<String, String> {
    socket.set_blocking(false);
    let mut head = Vec::new();
    loop {
        let readable = glib::IOCondition::IN | glib::IOCondition::HUP;
        SocketExtManual::create_source_future(socket, readable, gio::Cancellable::NONE, glib::Priority::DEFAULT).await;
        let mut chunk = [0; 2048];
        let count = socket.receive(&mut chunk, gio::Cancellable::NONE).map_err(|error| error.to_string())?;
        if count == 0 {
            return Err("closed before its first request".to_owned());
        }
        head.extend_from_slice(&chunk[..count]);
        if head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            break;
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err("its first request is too long".to_owned());
        }
    }
    match String::from_utf8(head) {
        Ok(head) if !head.contains('\0') => Ok(head),
        _ => Err("its first request is not text".to_owned()),
    }
}

fn turn_away(socket: &gio::Socket, head: &str, status: &str) -> Result<(), String> {
    let answer = format!("RTSP/1.0 {status}\r\nCSeq: {}\r\nConnection: close\r\n\r\n", sequence_number(head));
    socket.send(answer, gio::Cancellable::NONE).map_err(|error| error.to_string())?;
    Ok(())
}

/// The path of `DESCRIBE rtsp://host:port/path?query RTSP/1.0`, without its leading slash.
fn requested_path(head: &str) -> Option<&str> {
    let url = head.lines().next()?.split(' ').nth(1)?;
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => url.strip_prefix('/')?,
    };
    Some(path.split('?').next().unwrap_or(path))
}

fn sequence_number(head: &str) -> &str {
    head.lines()
        .find_map(|line| line.split_once(':').filter(|(name, _)| name.trim().eq_ignore_ascii_case("cseq")))
        .map_or("0", |(_, number)| number.trim())
}

/// The mount whose name is the path or its beginning; the longest of several.
fn find<'a, T>(mounts: &'a BTreeMap<String, T>, path: &str) -> Option<&'a T> {
    let belongs = |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    mounts.iter().filter(|(name, _)| belongs(name)).max_by_key(|(name, _)| name.len()).map(|(_, mount)| mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_read_out_of_the_request_line() {
        for (line, path) in [
            ("OPTIONS rtsp://127.0.0.1:8554/plaza RTSP/1.0", Some("plaza")),
            ("DESCRIBE rtsp://host/gate/1?channel=2 RTSP/1.0", Some("gate/1")),
            ("SETUP rtsp://host/plaza/stream=0 RTSP/1.0", Some("plaza/stream=0")),
            ("GET /plaza HTTP/1.0", Some("plaza")),
            ("OPTIONS rtsp://host RTSP/1.0", Some("")),
            ("OPTIONS * RTSP/1.0", None),
            ("nonsense", None),
            ("", None),
        ] {
            assert_eq!(requested_path(&format!("{line}\r\nCSeq: 1\r\n\r\n")), path, "{line}");
        }
    }

    #[test]
    fn the_sequence_number_is_found_in_any_case() {
        assert_eq!(sequence_number("OPTIONS * RTSP/1.0\r\nUser-Agent: x\r\ncseq:  12\r\n\r\n"), "12");
        assert_eq!(sequence_number("OPTIONS * RTSP/1.0\r\n\r\n"), "0");
    }

    #[test]
    fn the_longest_mount_wins() {
        let mounts: BTreeMap<String, i32> =
            [("gate", 1), ("gate/1", 2)].map(|(name, number)| (name.to_owned(), number)).into();
        for (path, expected) in [
            ("gate", Some(1)),
            ("gate/1", Some(2)),
            ("gate/1/stream=0", Some(2)),
            ("gate/12", Some(1)),
            ("gates", None),
            ("", None),
        ] {
            assert_eq!(find(&mounts, path).copied(), expected, "{path}");
        }
    }
}
