//! Oddities of cameras: what some send or answer, and what trips clients that expect the standard.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer};

use crate::replay::Algorithm;

/// An oddity of a camera, for all of its clients from the start. A mount may have several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// RTP over the RTSP connection is refused with 461.
    UdpOnly,
    /// RTP in datagrams is refused with 461.
    TcpOnly,
    /// `RTP-Info` states number 0 and time 0, and the first packet has neither.
    WrongRtpInfo,
    /// Each packet is sent twice.
    Twice,
    /// The first two packets of each picture are exchanged.
    Reordered,
    /// This number of a thousand packets is left out. Which ones is the same at each start.
    Loss(u16),
    /// Packets of another source (SSRC) are on the same channel.
    SecondSource,
    /// The source (SSRC) changes after this number of pictures.
    NewSource(u32),
    /// The sequence numbers begin anew after this number of pictures.
    NewSequence(u32),
    /// The timestamps jump by an hour after this number of pictures.
    TimestampJump(u32),
    /// All packets have the same timestamp.
    StoppedTimestamps,
    /// Bytes that are no RTSP stand between packets on the RTSP connection.
    Noise,
    /// The camera sends requests of its own.
    Asks,
    /// An audio track and a video track in another format are offered before the stream.
    SeveralTracks,
    /// SEI with the RTP marker comes before each picture.
    SeiMarker,
    /// No packet has the RTP marker.
    NoMarker,
    /// OPTIONS is answered with 404.
    NoOptions,
    /// The connection is closed if no request comes within this number of seconds.
    KeepAlive(u64),
    /// DESCRIBE of any address but `…/moved` is redirected there.
    Redirect,
    /// A login by Digest with these algorithms, offered in this order: user `admin`, password `pw`.
    Digest(Vec<Algorithm>),
    /// The names of all header fields are written in small letters, and reasons are left out.
    Lowercase,
}

/// An oddity that could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an oddity; expected udp-only, tcp-only, wrong-rtp-info, twice, reordered, loss PER_MILLE, second-source, \
     new-source PICTURES, new-sequence PICTURES, timestamp-jump PICTURES, stopped-timestamps, noise, asks, several-tracks, \
     sei-marker, no-marker, no-options, keep-alive SECONDS, redirect, digest ALGORITHM..., or lowercase"
)]
pub struct OddityError(String);

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UdpOnly => f.write_str("udp-only"),
            Self::TcpOnly => f.write_str("tcp-only"),
            Self::WrongRtpInfo => f.write_str("wrong-rtp-info"),
            Self::Twice => f.write_str("twice"),
            Self::Reordered => f.write_str("reordered"),
            Self::Loss(share) => write!(f, "loss {share}"),
            Self::SecondSource => f.write_str("second-source"),
            Self::NewSource(after) => write!(f, "new-source {after}"),
            Self::NewSequence(after) => write!(f, "new-sequence {after}"),
            Self::TimestampJump(after) => write!(f, "timestamp-jump {after}"),
            Self::StoppedTimestamps => f.write_str("stopped-timestamps"),
            Self::Noise => f.write_str("noise"),
            Self::Asks => f.write_str("asks"),
            Self::SeveralTracks => f.write_str("several-tracks"),
            Self::SeiMarker => f.write_str("sei-marker"),
            Self::NoMarker => f.write_str("no-marker"),
            Self::NoOptions => f.write_str("no-options"),
            Self::KeepAlive(seconds) => write!(f, "keep-alive {seconds}"),
            Self::Redirect => f.write_str("redirect"),
            Self::Digest(algorithms) => {
                f.write_str("digest")?;
                algorithms.iter().try_for_each(|algorithm| write!(f, " {}", algorithm.name()))
            }
            Self::Lowercase => f.write_str("lowercase"),
        }
    }
}

impl FromStr for Oddity {
    type Err = OddityError;

    fn from_str(text: &str) -> Result<Self, OddityError> {
        let error = || OddityError(text.to_owned());
        let words: Vec<_> = text.split_whitespace().collect();
        let number = |text: &str| text.parse::<u32>().map_err(|_| error());
        Ok(match words[..] {
            ["udp-only"] => Self::UdpOnly,
            ["tcp-only"] => Self::TcpOnly,
            ["wrong-rtp-info"] => Self::WrongRtpInfo,
            ["twice"] => Self::Twice,
            ["reordered"] => Self::Reordered,
            ["loss", share] => Self::Loss(share.parse().ok().filter(|share| *share <= 1000).ok_or_else(error)?),
            ["second-source"] => Self::SecondSource,
            ["new-source", after] => Self::NewSource(number(after)?),
            ["new-sequence", after] => Self::NewSequence(number(after)?),
            ["timestamp-jump", after] => Self::TimestampJump(number(after)?),
            ["stopped-timestamps"] => Self::StoppedTimestamps,
            ["noise"] => Self::Noise,
            ["asks"] => Self::Asks,
            ["several-tracks"] => Self::SeveralTracks,
            ["sei-marker"] => Self::SeiMarker,
            ["no-marker"] => Self::NoMarker,
            ["no-options"] => Self::NoOptions,
            ["keep-alive", seconds] => Self::KeepAlive(number(seconds)?.into()),
            ["redirect"] => Self::Redirect,
            ["digest", ref names @ ..] if !names.is_empty() => {
                let algorithms = names.iter().map(|name| Algorithm::of(name).ok_or_else(error));
                Self::Digest(algorithms.collect::<Result<_, _>>()?)
            }
            ["lowercase"] => Self::Lowercase,
            _ => return Err(error()),
        })
    }
}

impl<'de> Deserialize<'de> for Oddity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_oddity_reads_back_what_it_prints() {
        for oddity in [
            Oddity::UdpOnly,
            Oddity::TcpOnly,
            Oddity::WrongRtpInfo,
            Oddity::Twice,
            Oddity::Reordered,
            Oddity::Loss(20),
            Oddity::SecondSource,
            Oddity::NewSource(7),
            Oddity::NewSequence(8),
            Oddity::TimestampJump(9),
            Oddity::StoppedTimestamps,
            Oddity::Noise,
            Oddity::Asks,
            Oddity::SeveralTracks,
            Oddity::SeiMarker,
            Oddity::NoMarker,
            Oddity::NoOptions,
            Oddity::KeepAlive(10),
            Oddity::Redirect,
            Oddity::Digest(vec![Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256]),
            Oddity::Lowercase,
        ] {
            assert_eq!(oddity.to_string().parse(), Ok(oddity));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "lost", "loss", "loss 1001", "loss 2 3", "digest", "digest crc", "noise now", "keep-alive soon"]
        {
            assert_eq!(text.parse::<Oddity>(), Err(OddityError(text.to_owned())), "{text}");
        }
    }
}
