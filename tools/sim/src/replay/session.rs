//! One client: its requests (RFC 2326) and its packets (RFC 3550).

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream, UdpSocket},
    sync::Arc,
    time::Duration,
};

use super::{
    Camera, login, monotonic,
    odd::{OTHER_TRACKS, Odd},
    packets::{FRAMING, HEADER, Recording, time_of},
};
use crate::{Oddity, player};

/// Interval of sender reports, which relate RTP time to wall-clock time. The first report precedes
/// the first picture.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Limit of unread bytes. A client that reaches it gets no picture until it has read them, and then
/// continues from a key frame.
const MOST_UNREAD: usize = 1 << 20;
/// Longest request, in bytes.
const MOST_ASKED: usize = 64 << 10;
const SOURCE: u32 = 0x6761_7465;
/// Seconds from 1900, the NTP epoch, to 1970.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

pub(crate) struct Session {
    stream: TcpStream,
    asked: Vec<u8>,
    unsent: Vec<u8>,
    playing: Option<Playing>,
    gone: bool,
    /// When the last request came.
    asked_at: Duration,
    datagrams: Option<Datagrams>,
}

/// Where packets go that don't go over the connection.
struct Datagrams {
    /// Of RTP and RTCP, connected to the client's ports.
    sockets: [UdpSocket; 2],
}

impl Datagrams {
    fn open(client: &TcpStream, port: u16) -> io::Result<Self> {
        let peer = client.peer_addr()?.ip();
        let open = |port| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect((peer, port))?;
            io::Result::Ok(socket)
        };
        Ok(Self { sockets: [open(port)?, open(port + 1)?] })
    }

    fn ports(&self) -> [u16; 2] {
        self.sockets.each_ref().map(|socket| socket.local_addr().map_or(0, |address| address.port()))
    }
}

struct Playing {
    recording: Arc<Recording>,
    /// Time of its first picture.
    start: Duration,
    /// The number of the next picture.
    next: u64,
    /// The number of the next packet.
    sequence: u16,
    packets: u32,
    octets: u32,
    reported: Option<Duration>,
    congested: bool,
    /// The longest time without a request.
    patience: Duration,
    odd: Option<Odd>,
}

impl Session {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            asked: Vec::new(),
            unsent: Vec::new(),
            playing: None,
            gone: false,
            asked_at: monotonic(),
            datagrams: None,
        })
    }

    pub(crate) fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// Time of its next picture.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.playing.as_ref().map(Playing::due)
    }

    /// Answers its requests. Returns false if it has disconnected.
    pub(crate) fn converse(&mut self, now: Duration, cameras: &HashMap<String, Camera>) -> bool {
        let mut part = [0; 4096];
        loop {
            match self.stream.read(&mut part) {
                Ok(0) => return false,
                Ok(read) => self.asked.extend_from_slice(&part[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        while let Some(request) = next_request(&mut self.asked) {
            // An answer to what an odd camera asks is none.
            if !request.starts_with("RTSP/") {
                self.asked_at = now;
                self.answer(&request, cameras);
            }
        }
        if self.playing.as_ref().is_some_and(|playing| now.saturating_sub(self.asked_at) > playing.patience) {
            return false;
        }
        self.asked.len() <= MOST_ASKED && self.flush() && !self.gone
    }

    /// Sends the packets that are due at `now`. Returns false if the client has disconnected.
    pub(crate) fn send_due(&mut self, now: Duration, cameras: &HashMap<String, Camera>) -> bool {
        if self.due().is_none_or(|due| due > now) {
            return true;
        }
        while let Some(playing) = self.playing.as_mut().filter(|playing| playing.due() <= now) {
            playing.send(now, &mut self.unsent, self.datagrams.as_ref());
        }
        self.converse(now, cameras)
    }

    fn flush(&mut self) -> bool {
        let mut sent = 0;
        let is_there = loop {
            match self.stream.write(&self.unsent[sent..]) {
                Ok(0) => break self.unsent.is_empty(),
                Ok(written) => sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
            if sent == self.unsent.len() {
                break true;
            }
        };
        self.unsent.drain(..sent);
        is_there
    }

    fn answer(&mut self, request: &str, cameras: &HashMap<String, Camera>) {
        let mut words = request.split_whitespace();
        let (method, url) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().trim_end_matches('/'));
        let header = |name: &str| {
            let lines = request.lines().skip(1).filter_map(|line| line.split_once(':'));
            lines.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
        };
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let camera = cameras.get(path.split('/').next().unwrap_or_default());
        let (mut status, mut headers, mut body) = ("200 OK", String::new(), String::new());
        let has = |oddity: &Oddity| camera.is_some_and(|camera| camera.oddities.contains(oddity));
        let algorithms = camera.and_then(|camera| {
            camera
                .oddities
                .iter()
                .find_map(|oddity| if let Oddity::Digest(a) = oddity { Some(a.as_slice()) } else { None })
        });
        let is_locked = algorithms.filter(|algorithms| {
            !header("Authorization").is_some_and(|field| login::is_right(field, method, algorithms))
        });
        match (method, camera) {
            _ if is_locked.is_some() => {
                status = "401 Unauthorized";
                headers += &login::challenges(is_locked.unwrap_or_default());
            }
            ("OPTIONS", _) if has(&Oddity::NoOptions) => status = "404 Not Found",
            ("DESCRIBE", Some(_)) if has(&Oddity::Redirect) && !path.ends_with("/moved") => {
                status = "302 Moved Temporarily";
                let _ = write!(headers, "Location: {url}/moved\r\n");
            }
            ("OPTIONS", _) => headers += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n",
            ("GET_PARAMETER", _) => {}
            ("TEARDOWN", _) => self.gone = true,
            (_, None) => status = "404 Not Found",
            ("DESCRIBE", Some(camera)) => {
                body.clone_from(&camera.recording.sdp);
                if let Some(at) = body.find("m=video").filter(|_| has(&Oddity::SeveralTracks)) {
                    body.insert_str(at, OTHER_TRACKS);
                }
                let _ = write!(
                    headers,
                    "Content-Base: {}/\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n",
                    url,
                    body.len()
                );
            }
            ("SETUP", Some(camera)) => match self.set_up(header("Transport").unwrap_or_default(), camera) {
                Some(transport) => {
                    let keep_alive = |oddity: &Oddity| if let Oddity::KeepAlive(s) = oddity { Some(*s) } else { None };
                    let timeout = camera.oddities.iter().find_map(keep_alive).unwrap_or(60);
                    let _ = write!(headers, "Session: 1;timeout={timeout}\r\nTransport: {transport}\r\n");
                }
                None => status = "461 Unsupported Transport",
            },
            ("PLAY", Some(camera)) => {
                headers += "Session: 1;timeout=60\r\nRange: npt=0-\r\n";
                let _ = write!(headers, "RTP-Info: url={url}/stream=0;seq=0;rtptime=0\r\n");
                self.playing.get_or_insert_with(|| Playing::new(camera));
            }
            _ => status = "405 Method Not Allowed",
        }
        let number = header("CSeq").unwrap_or("0");
        let mut head = format!("RTSP/1.0 {status}\r\nCSeq: {number}\r\n{headers}\r\n");
        if has(&Oddity::Lowercase) {
            head = lowercase(&head);
        }
        self.unsent.extend(head.into_bytes());
        self.unsent.extend(body.into_bytes());
    }

    /// The transport that is answered; `None` if the camera refuses it.
    fn set_up(&mut self, asked: &str, camera: &Camera) -> Option<String> {
        let refuses = |oddity: &Oddity| camera.oddities.contains(oddity);
        if asked.contains("RTP/AVP/TCP") {
            let answer = format!("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc={SOURCE:08X}");
            return (!refuses(&Oddity::UdpOnly)).then_some(answer);
        }
        let port = asked.split("client_port=").nth(1)?.split(['-', ';']).next()?.parse().ok()?;
        // Without oddities datagrams are not supported: benchmarks count on the connection.
        if refuses(&Oddity::TcpOnly) || camera.oddities.is_empty() {
            return None;
        }
        let datagrams = Datagrams::open(&self.stream, port).ok()?;
        let [rtp, rtcp] = datagrams.ports();
        self.datagrams = Some(datagrams);
        Some(format!("RTP/AVP;unicast;client_port={port}-{};server_port={rtp}-{rtcp}", port + 1))
    }
}

impl Playing {
    fn new(camera: &Camera) -> Self {
        let keep_alive = |oddity: &Oddity| if let Oddity::KeepAlive(s) = oddity { Some(*s) } else { None };
        let patience = camera.oddities.iter().find_map(keep_alive).map_or(Duration::MAX, Duration::from_secs);
        Self {
            patience,
            odd: (!camera.oddities.is_empty()).then(|| Odd::new(&camera.oddities, camera.codec)),
            recording: Arc::clone(&camera.recording),
            start: monotonic() + camera.key_wait,
            next: 0,
            sequence: 0,
            packets: 0,
            octets: 0,
            reported: None,
            congested: false,
        }
    }

    fn due(&self) -> Duration {
        self.start + time_of(self.next, self.recording.fps).0
    }

    /// Adds the next picture's packets to the output.
    fn send(&mut self, now: Duration, unsent: &mut Vec<u8>, datagrams: Option<&Datagrams>) {
        let (at, time) = time_of(self.next, self.recording.fps);
        let count = self.recording.pictures.len() as u64;
        let picture = &self.recording.pictures[(self.next % count) as usize];
        self.next += 1;
        self.congested = if self.congested { !picture.key || !unsent.is_empty() } else { unsent.len() > MOST_UNREAD };
        if self.congested {
            return;
        }
        if self.reported.is_none_or(|at| now.saturating_sub(at) >= REPORT_EVERY) {
            self.reported = Some(now);
            let begin = unsent.len();
            self.report(now.saturating_sub(self.start + at), time, unsent);
            if let Some(datagrams) = datagrams {
                // One that is lost is followed by another.
                let _ = datagrams.sockets[1].send(&unsent.split_off(begin)[FRAMING..]);
            }
        }
        let begin = unsent.len();
        unsent.extend_from_slice(&picture.bytes);
        for packet in &picture.packets {
            let header = &mut unsent[begin + packet..][..HEADER];
            header[2..4].copy_from_slice(&self.sequence.to_be_bytes());
            header[4..8].copy_from_slice(&time.to_be_bytes());
            header[8..12].copy_from_slice(&SOURCE.to_be_bytes());
            self.sequence = self.sequence.wrapping_add(1);
        }
        if let Some(odd) = &mut self.odd {
            let made = unsent.split_off(begin);
            let ends = picture.packets.iter().skip(1).map(|at| at - FRAMING).chain([made.len()]);
            let packets = picture.packets.iter().zip(ends).map(|(at, end)| made[*at..end].to_vec()).collect();
            for packet in odd.packets(packets) {
                match datagrams {
                    // The client may be gone: then it asks nothing more.
                    Some(datagrams) => drop(datagrams.sockets[0].send(&packet)),
                    None => {
                        unsent.extend([b'$', 0]);
                        unsent.extend((packet.len() as u16).to_be_bytes());
                        unsent.extend(packet);
                    }
                }
            }
            if self.next.is_multiple_of(10) {
                unsent.extend(odd.between());
            }
        }
        let packets = picture.packets.len();
        self.packets = self.packets.wrapping_add(packets as u32);
        self.octets = self.octets.wrapping_add((picture.bytes.len() - packets * (FRAMING + HEADER)) as u32);
    }

    /// A compound packet of a sender report and a source description (RFC 3550, section 6.1): a
    /// picture with this RTP time was due `ago`.
    fn report(&self, ago: Duration, time: u32, unsent: &mut Vec<u8>) {
        let wall = player::now().saturating_sub(ago);
        let seconds = (wall.as_secs() + NTP_TO_UNIX_S) as u32;
        let fraction = ((u64::from(wall.subsec_nanos()) << 32) / 1_000_000_000) as u32;
        let report = [0x80c8_0006, SOURCE, seconds, fraction, time, self.packets, self.octets];
        // CNAME (1), five bytes, and the end of the list.
        let description =
            [0x81ca_0003, SOURCE, u32::from_be_bytes([1, 5, b'g', b'a']), u32::from_be_bytes([b't', b'e', b's', 0])];
        let words = report.into_iter().chain(description).collect::<Vec<_>>();
        unsent.extend([b'$', 1]);
        unsent.extend(((words.len() * 4) as u16).to_be_bytes());
        unsent.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    }
}

/// A head whose names are in small letters, without a reason.
fn lowercase(head: &str) -> String {
    let mut lines = head.split("\r\n").enumerate().map(|(n, line)| match line.split_once(':') {
        _ if n == 0 => line.split(' ').take(2).collect::<Vec<_>>().join(" "),
        Some((name, value)) => format!("{}:{value}", name.to_lowercase()),
        None => line.to_owned(),
    });
    let first = lines.next().unwrap_or_default();
    lines.fold(first, |text, line| text + "\r\n" + &line)
}

/// Removes the next complete request from the input. Skips the client's own reports.
fn next_request(came: &mut Vec<u8>) -> Option<String> {
    while came.first() == Some(&b'$') {
        let length = FRAMING + usize::from(u16::from_be_bytes([*came.get(2)?, *came.get(3)?]));
        if came.len() < length {
            return None;
        }
        came.drain(..length);
    }
    let end = came.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let request = String::from_utf8_lossy(&came[..end]).into_owned();
    let body = request.lines().filter_map(|line| line.split_once(':'));
    let body = body.filter(|(key, _)| key.eq_ignore_ascii_case("Content-Length"));
    let body = body.filter_map(|(_, value)| value.trim().parse::<usize>().ok()).next().unwrap_or(0);
    if came.len() < end + body {
        return None;
    }
    came.drain(..end + body);
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_in_order_and_reports_are_skipped() {
        let mut came = Vec::new();
        assert_eq!(next_request(&mut came), None);
        came.extend(b"$\x01\x00\x02ab");
        came.extend(
            b"SET_PARAMETER a RTSP/1.0\r\ncontent-length: 3\r\n\r\nabc$\x01\x00\x00OPTIONS b RTSP/1.0\r\n\r\n$\x01",
        );
        assert!(next_request(&mut came).is_some_and(|request| request.starts_with("SET_PARAMETER a ")));
        assert!(next_request(&mut came).is_some_and(|request| request.starts_with("OPTIONS b ")));
        assert_eq!(next_request(&mut came), None);
        assert_eq!(came, b"$\x01", "the rest is still to come");
    }
}
