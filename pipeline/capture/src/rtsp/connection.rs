//! The RTSP connection of one camera: bytes in and out, without blocking longer than asked.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, SocketAddrV6, TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatehouse_core::time::{Clock, Monotonic};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::net::sockopt::{set_tcp_nodelay, socket_error};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::address::Address;
use super::message::{Item, Request, Response, next_item};
use super::transport::Datagrams;

/// Room for the longest packet twice, and some.
const INPUT: usize = 192 << 10;
/// Room for the longest message.
const MAX_INPUT: usize = 2 << 20;
/// The most unknown bytes without a message or packet between them. More are not RTSP.
const MAX_UNKNOWN: usize = 256 << 10;

/// Asks a camera's thread to stop, from another thread.
#[derive(Debug)]
pub(crate) struct Wake {
    event: OwnedFd,
    stop: AtomicBool,
}

impl Wake {
    /// # Errors
    /// If the system gives no descriptor.
    pub(crate) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { event, stop: AtomicBool::new(false) })
    }

    pub(crate) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
        // Its counter can't be full: this is the only value written.
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Why nothing more comes.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The camera's thread was asked to stop.
    Stopped,
    /// The camera closed the connection.
    Closed,
    /// The camera didn't answer in time.
    Silent,
    /// What comes is not RTSP.
    NotRtsp,
    Io(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => Self::Closed,
            io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::Io(error),
        }
    }
}

impl From<rustix::io::Errno> for Trouble {
    fn from(error: rustix::io::Errno) -> Self {
        io::Error::from(error).into()
    }
}

/// Something that came.
pub(crate) enum Event<'c> {
    Packet { channel: u8, bytes: &'c mut [u8] },
    Response(Response),
    Request(Request),
}

/// What has something to read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ready {
    pub(crate) connection: bool,
    pub(crate) rtp: bool,
    pub(crate) rtcp: bool,
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    wake: Arc<Wake>,
    clock: Arc<dyn Clock>,
    input: Vec<u8>,
    /// The bytes of the input that were not taken yet.
    begin: usize,
    end: usize,
    /// True behind bytes that are no RTSP.
    is_lost: bool,
    unknown: usize,
    /// All unknown bytes of this connection.
    skipped: u64,
    /// The channels of RTP and RTCP.
    pub(crate) channels: [u8; 2],
}

impl Connection {
    /// Connects to one of the host's addresses.
    ///
    /// # Errors
    /// If none answers in time, or the thread was asked to stop.
    pub(crate) fn open(
        address: &Address,
        timeout: Duration,
        wake: &Arc<Wake>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Trouble> {
        let mut last = Trouble::Io(io::Error::other("its name has no address"));
        for socket_address in resolve(address)? {
            if wake.is_stopping() {
                return Err(Trouble::Stopped);
            }
            match connect_to(socket_address, timeout, wake) {
                Ok(stream) => {
                    return Ok(Self {
                        stream,
                        wake: Arc::clone(wake),
                        clock: Arc::clone(clock),
                        input: vec![0; INPUT],
                        begin: 0,
                        end: 0,
                        is_lost: false,
                        unknown: 0,
                        skipped: 0,
                        channels: [0, 1],
                    });
                }
                Err(Trouble::Stopped) => return Err(Trouble::Stopped),
                Err(trouble) => last = trouble,
            }
        }
        Err(last)
    }

    /// # Errors
    /// If the connection is broken.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// # Errors
    /// If the connection is broken.
    pub(crate) fn peer_address(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// Waits until something can be read.
    ///
    /// # Errors
    /// If the thread was asked to stop, or the system fails.
    pub(crate) fn wait(&self, timeout: Duration, datagrams: Option<&Datagrams>) -> Result<Ready, Trouble> {
        if self.wake.is_stopping() {
            return Err(Trouble::Stopped);
        }
        self.poll(timeout, datagrams, true)
    }

    fn poll(&self, timeout: Duration, datagrams: Option<&Datagrams>, is_woken: bool) -> Result<Ready, Trouble> {
        let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        use std::os::fd::AsFd;
        let stream = readable(self.stream.as_fd());
        // An ignored place is filled with the connection once more.
        let wake = if is_woken { readable(self.wake.event.as_fd()) } else { stream.clone() };
        let (rtp, rtcp) = match datagrams {
            Some(datagrams) => (readable(datagrams.rtp.as_fd()), readable(datagrams.rtcp.as_fd())),
            None => (stream.clone(), stream.clone()),
        };
        let mut fds = [stream, wake, rtp, rtcp];
        let count = match (datagrams.is_some(), is_woken) {
            (true, _) => 4,
            (false, true) => 2,
            (false, false) => 1,
        };
        match poll(&mut fds[..count], Some(&timespec(timeout))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if is_woken && self.wake.is_stopping() {
            return Err(Trouble::Stopped);
        }
        let is_ready = |n: usize| n < count && !fds[n].revents().is_empty();
        Ok(Ready { connection: is_ready(0), rtp: is_ready(2), rtcp: is_ready(3) })
    }

    /// Reads what has come.
    ///
    /// # Errors
    /// If the connection has ended, or what comes is not RTSP.
    pub(crate) fn fill(&mut self) -> Result<(), Trouble> {
        if self.begin > 0 && self.input.len() - self.end < self.input.len() / 2 {
            self.input.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        if self.end == self.input.len() {
            if self.input.len() >= MAX_INPUT {
                return Err(Trouble::NotRtsp);
            }
            self.input.resize(self.input.len() * 2, 0);
        }
        match self.stream.read(&mut self.input[self.end..]) {
            Ok(0) => Err(Trouble::Closed),
            Ok(count) => {
                self.end += count;
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The next message or packet that has come. `None`: more must be read.
    ///
    /// # Errors
    /// If what comes is not RTSP.
    pub(crate) fn next(&mut self) -> Result<Option<Event<'_>>, Trouble> {
        loop {
            let input = &self.input[self.begin..self.end];
            let Some((item, length)) = next_item(input, self.is_lost, &self.channels) else {
                if self.begin == self.end {
                    (self.begin, self.end) = (0, 0);
                }
                return Ok(None);
            };
            let at = self.begin;
            self.begin += length;
            match item {
                Item::LineEnds => continue,
                Item::Unknown => {
                    (self.is_lost, self.unknown) = (true, self.unknown + length);
                    self.skipped += length as u64;
                    if self.unknown > MAX_UNKNOWN {
                        return Err(Trouble::NotRtsp);
                    }
                    continue;
                }
                _ => (self.is_lost, self.unknown) = (false, 0),
            }
            return Ok(Some(match item {
                Item::Packet { channel, bytes } => {
                    Event::Packet { channel, bytes: &mut self.input[at + bytes.start..at + bytes.end] }
                }
                Item::Response(response) => Event::Response(response),
                Item::Request(request) => Event::Request(request),
                Item::LineEnds | Item::Unknown => continue,
            }));
        }
    }

    /// Bytes between messages that were no RTSP.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Sends bytes before a moment.
    ///
    /// # Errors
    /// If the connection has ended or takes nothing in time.
    pub(crate) fn send(&mut self, mut bytes: &[u8], until: Monotonic) -> Result<(), Trouble> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(Trouble::Closed),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = until.since(self.clock.monotonic());
                    if left.is_zero() {
                        return Err(Trouble::Silent);
                    }
                    let mut fds = [PollFd::new(&self.stream, PollFlags::OUT)];
                    match poll(&mut fds, Some(&timespec(left))) {
                        Ok(_) | Err(rustix::io::Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for an answer of any kind, or the end, up to a moment; also while stopping.
    pub(crate) fn wait_for_last_answer(&mut self, until: Monotonic) {
        loop {
            match self.next() {
                Ok(Some(Event::Response(_))) | Err(_) => return,
                Ok(Some(_)) => continue,
                Ok(None) => {}
            }
            let left = until.since(self.clock.monotonic());
            if left.is_zero() || self.poll(left, None, false).is_err() {
                return;
            }
            if self.fill().is_err() {
                return;
            }
        }
    }
}

/// The socket addresses of a host. A name is looked up by the system, which may take its own time.
fn resolve(address: &Address) -> Result<Vec<SocketAddr>, Trouble> {
    let (host, port) = address.host_and_port();
    if let Some((plain, zone)) = host.split_once('%') {
        // The system takes a zone for link-local addresses only.
        let ip = plain.parse().map_err(|_| io::Error::other("a zone belongs to an IPv6 address"))?;
        let scope = zone.parse().or_else(|_| index_of(zone)).map_err(|_| {
            io::Error::other("this machine has no network interface of that name: check the zone behind `%`")
        })?;
        return Ok(vec![SocketAddrV6::new(ip, port, 0, scope).into()]);
    }
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|_| io::Error::other("its name has no address: check the host in the address and the name server"))?;
    Ok(addresses.collect())
}

fn index_of(interface: &str) -> Result<u32, rustix::io::Errno> {
    let socket = socket_with(AddressFamily::INET6, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    rustix::net::netdevice::name_to_index(socket, interface)
}

fn timespec(duration: Duration) -> Timespec {
    // A wait is a few seconds at most.
    Timespec { tv_sec: duration.as_secs().min(3600) as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}

fn connect_to(address: SocketAddr, timeout: Duration, wake: &Wake) -> Result<TcpStream, Trouble> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    match connect(&socket, &address) {
        Ok(()) => {}
        Err(rustix::io::Errno::INPROGRESS) => {
            let mut fds = [PollFd::new(&socket, PollFlags::OUT), PollFd::new(&wake.event, PollFlags::IN)];
            poll(&mut fds, Some(&timespec(timeout)))?;
            if wake.is_stopping() {
                return Err(Trouble::Stopped);
            }
            if fds[0].revents().is_empty() {
                return Err(Trouble::Io(io::ErrorKind::TimedOut.into()));
            }
            socket_error(&socket)??;
        }
        Err(error) => return Err(Trouble::Io(error.into())),
    }
    set_tcp_nodelay(&socket, true)?;
    Ok(TcpStream::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_become_the_numbers_of_interfaces() {
        let resolved = |url: &str| resolve(&Address::parse(url).unwrap()).map_err(|_| ());
        let loopback = index_of("lo").unwrap();
        for (url, expected) in [
            ("rtsp://[fe80::1%25lo]:8554/", SocketAddrV6::new("fe80::1".parse().unwrap(), 8554, 0, loopback)),
            ("rtsp://[::1%lo]/", SocketAddrV6::new("::1".parse().unwrap(), 554, 0, loopback)),
            ("rtsp://[fe80::1%257]/", SocketAddrV6::new("fe80::1".parse().unwrap(), 554, 0, 7)),
            ("rtsp://[::1]/", SocketAddrV6::new("::1".parse().unwrap(), 554, 0, 0)),
        ] {
            assert_eq!(resolved(url), Ok(vec![expected.into()]), "{url}");
        }
        assert!(resolved("rtsp://[fe80::1%25nowhere]/").is_err());
        assert_eq!(resolved("rtsp://127.0.0.1/"), Ok(vec!["127.0.0.1:554".parse().unwrap()]));
    }
}
