//! Chooses the track of a camera's description (SDP, RFC 8866) that is shown.

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use gstreamer as gst;
use gstreamer_sdp::{SDPMediaRef, SDPMessage};

use super::address::{base_of, control_urls};
use super::message::Headers;
use crate::codec::Codec;

/// Ticks a second of H.264 and H.265 timestamps (RFC 6184, section 8.2.1; RFC 7798, section 7.1).
pub(crate) const CLOCK_RATE: u32 = 90_000;

/// Base 64 as cameras write it: with padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The track that is shown.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    pub(crate) codec: Codec,
    pub(crate) payload_type: u8,
    /// The caps of its packets, `application/x-rtp`.
    pub(crate) caps: gst::Caps,
    /// The addresses for SETUP, the likeliest first. Not for logs.
    pub(crate) setup_urls: Vec<String>,
    /// The address of the whole session, for PLAY and what follows. Not for logs.
    pub(crate) session_url: String,
}

/// The first track that can be decoded.
///
/// # Errors
/// In words for an operator, with what the camera offers.
pub(crate) fn choose_track(asked: &str, headers: &Headers, body: &[u8]) -> Result<Track, String> {
    // GStreamer's parser takes text for UTF-8 in some places.
    let text = String::from_utf8_lossy(body);
    let unreadable = || "the camera's description of its stream (SDP) can't be read".to_owned();
    if !text.contains("m=") {
        return Err("the camera's description of its stream (SDP) has no track".into());
    }
    let description = SDPMessage::parse_buffer(text.as_bytes()).map_err(|_| unreadable())?;
    let base = base_of(asked, headers.get("Content-Base").as_deref(), headers.get("Content-Location").as_deref());
    let session_url = control_urls(&base, description.attribute_val("control")).swap_remove(0);
    let mut offered = Vec::new();
    for media in description.medias() {
        let kind = media.media().unwrap_or("something");
        let formats: Vec<_> = media.formats().filter_map(|format| format.parse::<u8>().ok()).collect();
        for payload_type in formats {
            let caps = media.caps_from_media(i32::from(payload_type));
            let name = caps.as_ref().and_then(|caps| caps.structure(0)?.get::<String>("encoding-name").ok());
            let codec = name.as_deref().and_then(Codec::from_encoding_name);
            if let (Some(caps), Some(codec), "video") = (&caps, codec, kind) {
                return Ok(Track {
                    codec,
                    payload_type,
                    caps: with_sound_parameters(caps, codec, payload_type),
                    setup_urls: setup_urls(&base, &session_url, media),
                    session_url,
                });
            }
            let name = name.or_else(|| well_known(payload_type).map(str::to_owned));
            let name = name.unwrap_or_else(|| format!("type {payload_type}"));
            offered.push(if kind == "video" { name } else { format!("{kind} ({name})") });
        }
    }
    if offered.is_empty() {
        return Err("the camera's description of its stream (SDP) has no track".into());
    }
    Err(format!("the camera sends {}; H.264 or H.265 is needed", offered.join(", ")))
}

/// The names of types that need no description (RFC 3551, section 6).
fn well_known(payload_type: u8) -> Option<&'static str> {
    Some(match payload_type {
        0 => "PCMU",
        8 => "PCMA",
        26 => "JPEG",
        32 => "MPEG-1 or MPEG-2",
        33 => "MPEG-2 TS",
        _ => return None,
    })
}

fn setup_urls(base: &str, session_url: &str, media: &SDPMediaRef) -> Vec<String> {
    let control = media.attribute_val("control");
    // A session's own address is the base of its tracks where it is absolute (RFC 2326, appendix
    // C.1.1), and not all cameras mean it so.
    let mut urls = control_urls(base, control);
    for url in control_urls(session_url, control) {
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

/// The caps with the parameters that the depayloader needs. Parameter sets are left out where they
/// can't be what they should be: those in the stream win.
fn with_sound_parameters(caps: &gst::Caps, codec: Codec, payload_type: u8) -> gst::Caps {
    let mut sound = gst::Caps::builder("application/x-rtp")
        .field("media", "video")
        .field("payload", i32::from(payload_type))
        .field("clock-rate", CLOCK_RATE as i32)
        .field("encoding-name", codec.encoding_name());
    let stated = |name: &str| caps.structure(0).and_then(|s| s.get::<String>(name).ok());
    for name in ["packetization-mode", "profile-level-id", "sprop-max-don-diff"] {
        if let Some(value) = stated(name) {
            sound = sound.field(name, value);
        }
    }
    match codec {
        Codec::H264 => {
            let sets = stated("sprop-parameter-sets").unwrap_or_default();
            let sets: Vec<_> =
                sets.split(',').filter_map(|set| parameter_set(set, |n| matches!(n & 31, 7 | 8))).collect();
            let has = |kind: u8| sets.iter().any(|(first, _)| first & 31 == kind);
            if has(7) && has(8) {
                let sets: Vec<_> = sets.into_iter().map(|(_, set)| set).collect();
                sound = sound.field("sprop-parameter-sets", sets.join(","));
            }
        }
        Codec::H265 => {
            let kinds = [("sprop-vps", 32), ("sprop-sps", 33), ("sprop-pps", 34)];
            let sets = kinds.map(|(name, kind)| {
                let value = stated(name).unwrap_or_default();
                let sets: Vec<_> = value
                    .split(',')
                    .filter_map(|set| parameter_set(set, |first| first >> 1 & 63 == kind))
                    .map(|(_, set)| set)
                    .collect();
                (name, sets.join(","))
            });
            if sets.iter().all(|(_, sets)| !sets.is_empty()) {
                for (name, sets) in sets {
                    sound = sound.field(name, sets);
                }
            }
        }
    }
    sound.build()
}

/// A parameter set in base 64, without a start code before it and padding behind it, and its first
/// byte. `None` if it is no such set.
fn parameter_set(text: &str, is_one: impl Fn(u8) -> bool) -> Option<(u8, String)> {
    let bytes = LENIENT.decode(text.trim()).ok()?;
    let start = bytes.windows(3).position(|code| code == [0, 0, 1]).filter(|at| bytes[..*at].iter().all(|b| *b == 0));
    let set = start.map_or(bytes.as_slice(), |at| &bytes[at + 3..]);
    // The first start code behind it begins something else.
    let set = set.windows(3).position(|code| code == [0, 0, 1]).map_or(set, |end| &set[..end]);
    let end = set.iter().rposition(|byte| *byte != 0)?;
    let set = &set[..=end];
    let first = *set.first()?;
    (is_one(first) && set.len() > 3).then(|| (first, LENIENT.encode(set)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPS: &[u8] = &[0x67, 0x42, 0x00, 0x1e, 0x95, 0xa8, 0x28, 0x0f, 0x64];
    const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

    fn sdp(media: &str) -> String {
        format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n{media}")
    }

    fn video(name: &str, fmtp: &str) -> String {
        format!(
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 {name}/90000\r\na=fmtp:96 packetization-mode=1{fmtp}\r\na=control:trackID=1\r\n"
        )
    }

    fn choose(text: &str) -> Result<Track, String> {
        gst::init().unwrap();
        choose_track("rtsp://cam/s", &Headers::default(), text.as_bytes())
    }

    fn parameters(track: &Track) -> Option<String> {
        track.caps.structure(0)?.get("sprop-parameter-sets").ok()
    }

    #[test]
    fn the_first_video_track_that_can_be_decoded_is_chosen() {
        let other = "m=audio 0 RTP/AVP 0\r\na=control:trackID=0\r\nm=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:trackID=3\r\n";
        let jpeg = "m=video 0 RTP/AVP 26\r\na=control:trackID=2\r\n";
        let text = sdp(&format!("{other}{jpeg}{}{}", video("h264", ""), video("H265", "")));
        let track = choose(&text).unwrap();
        assert_eq!((track.codec, track.payload_type), (Codec::H264, 96));
        assert_eq!(track.setup_urls, ["rtsp://cam/s/trackID=1", "rtsp://cam/trackID=1"]);
        assert_eq!(track.session_url, "rtsp://cam/s");
        assert_eq!(track.caps.structure(0).unwrap().get::<&str>("encoding-name"), Ok("H264"));
        assert_eq!(choose(&sdp(&video("h265", ""))).unwrap().codec, Codec::H265);
        let two = sdp("m=video 0 RTP/AVP 26 97\r\na=rtpmap:97 H264/90000/1\r\n");
        assert_eq!(choose(&two).unwrap().payload_type, 97);

        let error = choose(&sdp(&format!("{other}{jpeg}"))).unwrap_err();
        let expected =
            "the camera sends audio (PCMU), application (VND.ONVIF.METADATA), JPEG; H.264 or H.265 is needed";
        assert_eq!(error, expected);
        for text in [String::new(), "<html>".to_owned(), sdp("")] {
            assert_eq!(choose(&text).unwrap_err(), "the camera's description of its stream (SDP) has no track");
        }
    }

    #[test]
    fn parameter_sets_are_cleaned_or_left_out() {
        let encoded = |sets: &[Vec<u8>]| sets.iter().map(|set| LENIENT.encode(set)).collect::<Vec<_>>().join(",");
        let of = |sets: &[Vec<u8>]| {
            let text = sdp(&video("H264", &format!(";sprop-parameter-sets={};profile-level-id=42001E", encoded(sets))));
            parameters(&choose(&text).unwrap())
        };
        let sound = Some(encoded(&[SPS.to_vec(), PPS.to_vec()]));
        assert_eq!(of(&[SPS.to_vec(), PPS.to_vec()]), sound);
        let annex_b = |set: &[u8]| [&[0, 0, 0, 1], set].concat();
        assert_eq!(of(&[annex_b(SPS), annex_b(PPS)]), sound);
        assert_eq!(of(&[[SPS, &[0, 0, 0]].concat(), [PPS, &[0, 0, 1, 9]].concat()]), sound);
        assert_eq!(of(&[SPS.to_vec()]), None, "half of them is of no use");
        assert_eq!(of(&[vec![1, 2, 3, 4], PPS.to_vec()]), None);
        for fmtp in ["", ";sprop-parameter-sets=", ";sprop-parameter-sets=!!,??"] {
            assert_eq!(parameters(&choose(&sdp(&video("H264", fmtp))).unwrap()), None, "{fmtp}");
        }
    }

    #[test]
    fn a_description_in_another_encoding_is_read() {
        gst::init().unwrap();
        let mut text = b"v=0\r\ns=\xb5\xc7\xc2\xbc\r\n".to_vec();
        text.extend(video("H264", "").as_bytes());
        assert!(choose_track("rtsp://cam/s", &Headers::default(), &text).is_ok());
    }

    proptest! {
        #[test]
        fn any_description_is_read(text in "[a-z=: 0-9/\r\n*,;A-Z-]{0,200}", body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = choose(&sdp(&text));
            let _ = choose_track("rtsp://cam/s", &Headers::default(), &[b"m=".as_slice(), &body].concat());
        }
    }
}
