//! The `Transport` field of SETUP (RFC 2326, section 12.39), and the sockets of datagrams.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use gatehouse_core::stream::Transport;
use rustix::net::sockopt::set_socket_recv_buffer_size;

/// Tries to find an even port with a free one behind it (RFC 3550, section 11).
const PORT_TRIES: usize = 64;
/// Room for the datagrams of a large key frame. The system may allow less.
const RECEIVE_BUFFER: usize = 2 << 20;

/// What a camera answers to SETUP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) transport: Transport,
    /// Channels of RTP and RTCP on the connection.
    pub(crate) channels: (u8, u8),
    /// The camera's ports of RTP and RTCP.
    pub(crate) server_ports: Option<(u16, u16)>,
    /// The address that datagrams come from, if it isn't the camera's own.
    pub(crate) source: Option<IpAddr>,
    pub(crate) ssrc: Option<u32>,
}

/// Reads the answer's field. What it leaves out is as it was asked.
pub(crate) fn read(field: Option<&str>, asked: Transport) -> Answered {
    let mut answered = Answered { transport: asked, channels: (0, 1), server_ports: None, source: None, ssrc: None };
    // Several alternatives may be stated; the first one counts.
    let field = field.unwrap_or_default().split(',').next().unwrap_or_default();
    let mut parts = field.split(';').map(str::trim);
    let protocol = parts.next().unwrap_or_default().to_ascii_uppercase();
    if protocol.contains("/TCP") {
        answered.transport = Transport::Tcp;
    }
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        match key.trim().to_ascii_lowercase().as_str() {
            "interleaved" => {
                if let Some((rtp, rtcp)) = pair::<u8>(value) {
                    answered.transport = Transport::Tcp;
                    answered.channels = (rtp, rtcp.unwrap_or(rtp.wrapping_add(1)));
                }
            }
            "server_port" => {
                answered.server_ports = pair::<u16>(value)
                    .filter(|(rtp, _)| *rtp != 0)
                    .map(|(rtp, rtcp)| (rtp, rtcp.unwrap_or(rtp.wrapping_add(1))));
                if asked == Transport::Tcp && !protocol.contains("/TCP") {
                    answered.transport = Transport::Udp;
                }
            }
            "source" => answered.source = value.trim().parse().ok(),
            "ssrc" => answered.ssrc = u32::from_str_radix(value.trim().trim_start_matches("0x"), 16).ok(),
            _ => {}
        }
    }
    answered
}

/// `5000-5001` or `5000`.
fn pair<N: std::str::FromStr>(text: &str) -> Option<(N, Option<N>)> {
    let (first, second) = text.split_once('-').unwrap_or((text, ""));
    Some((first.trim().parse().ok()?, second.trim().parse().ok()))
}

/// The sockets of RTP and RTCP.
#[derive(Debug)]
pub(crate) struct Datagrams {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    /// Where they may come from.
    allowed: Vec<IpAddr>,
    rtcp_peer: Option<SocketAddr>,
}

impl Datagrams {
    /// Binds an even port and the next one, on the address that the camera is reached from.
    ///
    /// # Errors
    /// If the system gives none.
    pub(crate) fn bind(local: SocketAddr) -> io::Result<Self> {
        // Sockets that don't fit are kept until the end, so that the system gives others.
        let mut unfit = Vec::new();
        for _ in 0..PORT_TRIES {
            let rtp = UdpSocket::bind(with_port(local, 0))?;
            let port = rtp.local_addr()?.port();
            let rtcp = (port % 2 == 0).then(|| UdpSocket::bind(with_port(local, port + 1)));
            let Some(Ok(rtcp)) = rtcp else {
                unfit.push(rtp);
                continue;
            };
            for socket in [&rtp, &rtcp] {
                socket.set_nonblocking(true)?;
            }
            // With less room, datagrams are lost and counted.
            let _ = set_socket_recv_buffer_size(&rtp, RECEIVE_BUFFER);
            return Ok(Self { rtp, rtcp, allowed: Vec::new(), rtcp_peer: None });
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no pair of free ports"))
    }

    /// The ports to ask for.
    pub(crate) fn ports(&self) -> (u16, u16) {
        let port = |socket: &UdpSocket| socket.local_addr().map_or(0, |address| address.port());
        (port(&self.rtp), port(&self.rtcp))
    }

    /// Lets datagrams in from the camera, and opens the way through firewalls between.
    pub(crate) fn open(&mut self, camera: SocketAddr, answered: &Answered, report: &[u8]) {
        let source = answered.source.filter(|source| !source.is_unspecified());
        self.allowed = [Some(camera.ip()), source].into_iter().flatten().collect();
        if let Some((rtp, rtcp)) = answered.server_ports {
            let mut peer = camera;
            peer.set_ip(source.unwrap_or(camera.ip()));
            self.rtcp_peer = Some(with_port(peer, rtcp));
            // A datagram that can't be sent opens nothing, and none may be needed.
            let _ = self.rtp.send_to(&[], with_port(peer, rtp));
        }
        self.report(report);
    }

    /// Sends an RTCP packet.
    pub(crate) fn report(&self, report: &[u8]) {
        if let Some(peer) = self.rtcp_peer {
            // The next one comes in seconds.
            let _ = self.rtcp.send_to(report, peer);
        }
    }

    /// True if a datagram from there is the camera's.
    pub(crate) fn is_allowed(&self, from: SocketAddr) -> bool {
        let same = |allowed: &IpAddr| match (from.ip(), allowed) {
            (IpAddr::V6(from), IpAddr::V4(allowed)) => from.to_ipv4_mapped() == Some(*allowed),
            (from, allowed) => from == *allowed,
        };
        self.allowed.iter().any(same)
    }
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// The field of a request.
pub(crate) fn asked_for(transport: Transport, datagrams: Option<&Datagrams>) -> String {
    match (transport, datagrams) {
        (Transport::Udp, Some(datagrams)) => {
            let (rtp, rtcp) = datagrams.ports();
            format!("RTP/AVP;unicast;client_port={rtp}-{rtcp}")
        }
        _ => "RTP/AVP/TCP;unicast;interleaved=0-1".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_are_read_as_cameras_write_them() {
        let tcp = read(Some("RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=6761A465;mode=\"PLAY\""), Transport::Tcp);
        assert_eq!((tcp.transport, tcp.channels, tcp.ssrc), (Transport::Tcp, (2, 3), Some(0x6761_a465)));
        assert_eq!(read(Some("rtp/avp/tcp; unicast; interleaved=4"), Transport::Tcp).channels, (4, 5));
        assert_eq!(read(None, Transport::Tcp).channels, (0, 1));
        let text = "RTP/AVP/UDP;unicast;client_port=5000-5001;server_port=6000-6001;source=192.0.2.7;ssrc= 0x12";
        let udp = read(Some(text), Transport::Udp);
        assert_eq!((udp.transport, udp.server_ports, udp.ssrc), (Transport::Udp, Some((6000, 6001)), Some(18)));
        assert_eq!(udp.source, "192.0.2.7".parse().ok());
        assert_eq!(read(Some("RTP/AVP;unicast;server_port=6000"), Transport::Udp).server_ports, Some((6000, 6001)));
        assert_eq!(read(Some("RTP/AVP/TCP;interleaved=0-1"), Transport::Udp).transport, Transport::Tcp);
        assert_eq!(read(Some("RTP/AVP;unicast;server_port=6000-6001"), Transport::Tcp).transport, Transport::Udp);
    }

    #[test]
    fn ports_are_a_pair_and_strangers_are_kept_out() {
        let mut datagrams = Datagrams::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let (rtp, rtcp) = datagrams.ports();
        assert!(rtp % 2 == 0 && rtcp == rtp + 1);
        let answered = read(Some("RTP/AVP;source=192.0.2.7"), Transport::Udp);
        datagrams.open("127.0.0.1:554".parse().unwrap(), &answered, &[]);
        for (from, allowed) in
            [("127.0.0.1:9", true), ("192.0.2.7:1", true), ("192.0.2.8:1", false), ("[::ffff:127.0.0.1]:2", true)]
        {
            assert_eq!(datagrams.is_allowed(from.parse().unwrap()), allowed, "{from}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read(text in ".{0,60}") {
            for text in [text.clone(), format!("RTP/AVP/TCP;interleaved={text}"), format!("RTP/AVP;server_port={text}")] {
                read(Some(&text), Transport::Udp);
            }
        }
    }
}
