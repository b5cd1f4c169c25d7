//! Reads what a camera sends on its RTSP connection, and writes requests and answers.
//!
//! The crate `rtsp-types` reads what RFC 2326 and RFC 7826 allow. Cameras also leave out the reason
//! phrase, end lines with a bare line feed, put blanks before a colon, send text that is not UTF-8,
//! and send bytes between messages. So this reader is our own.

use std::borrow::Cow;
use std::ops::Range;

/// The longest head of a message, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// The longest body, in bytes: a description has a few thousand.
const MAX_BODY: usize = 1 << 20;
/// The longest first line that is still waited for, in bytes.
const MAX_FIRST_LINE: usize = 4 << 10;
/// The longest name of a method.
const MAX_METHOD: usize = 20;
/// `$`, the channel and the length, before each packet (RFC 2326, section 10.12).
const FRAMING: usize = 4;

/// The header fields of a message, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// The values of a field, as bytes; names are compared without case.
    pub(crate) fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    /// The first value of a field.
    pub(crate) fn get<'h>(&'h self, name: &'h str) -> Option<Cow<'h, str>> {
        self.all(name).next().map(String::from_utf8_lossy)
    }

    fn parse(lines: &[u8]) -> Self {
        let mut headers = Self::default();
        for line in lines.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.first().is_some_and(|first| matches!(first, b' ' | b'\t')) {
                // A field that goes on in the next line (RFC 2616, section 2.2).
                if let Some((_, value)) = headers.0.last_mut() {
                    value.push(b' ');
                    value.extend(line.trim_ascii());
                }
            } else if let Some(colon) = line.iter().position(|byte| *byte == b':') {
                let name = String::from_utf8_lossy(line[..colon].trim_ascii()).into_owned();
                headers.0.push((name, line[colon + 1..].trim_ascii().to_vec()));
            }
        }
        headers
    }
}

/// A camera's answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

/// A camera's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) headers: Headers,
}

/// What stands at the beginning of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A packet on a channel: where its bytes are in the input.
    Packet {
        channel: u8,
        bytes: Range<usize>,
    },
    Response(Response),
    Request(Request),
    /// Line ends between messages, which mean nothing.
    LineEnds,
    /// Bytes that are no part of RTSP.
    Unknown,
}

/// The first item of the input, and the input's bytes that it takes. `None`: more is needed.
///
/// `is_lost`: unknown bytes came just before, so only what is a packet on one of `channels` beyond
/// doubt counts as one.
pub(crate) fn next_item(input: &[u8], is_lost: bool, channels: &[u8]) -> Option<(Item, usize)> {
    match input.first()? {
        b'$' => packet(input, is_lost, channels),
        b'\r' | b'\n' => {
            let count = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            Some((Item::LineEnds, count))
        }
        b'A'..=b'Z' => message(input),
        _ => {
            let known = |byte: &u8| matches!(byte, b'$' | b'\r' | b'\n' | b'A'..=b'Z');
            Some((Item::Unknown, input.iter().position(known).unwrap_or(input.len())))
        }
    }
}

fn packet(input: &[u8], is_lost: bool, channels: &[u8]) -> Option<(Item, usize)> {
    let &[_, channel, l1, l0, ref rest @ ..] = input else { return None };
    let length = usize::from(u16::from_be_bytes([l1, l0]));
    if is_lost {
        // RTP and RTCP packets begin with version 2 (RFC 3550, section 5.1).
        let version = rest.first()? >> 6;
        if !channels.contains(&channel) || length < 8 || version != 2 {
            return Some((Item::Unknown, 1));
        }
    }
    let end = FRAMING + length;
    (input.len() >= end).then_some((Item::Packet { channel, bytes: FRAMING..end }, end))
}

fn message(input: &[u8]) -> Option<(Item, usize)> {
    const UNKNOWN: Option<(Item, usize)> = Some((Item::Unknown, 1));
    let first_line = match input.iter().take(MAX_FIRST_LINE).position(|byte| *byte == b'\n') {
        Some(end) => &input[..end],
        None => {
            // It may be the beginning of a message.
            let word = input.iter().position(|byte| !matches!(byte, b'A'..=b'Z' | b'_')).unwrap_or(input.len());
            let may_be = word <= MAX_METHOD
                && input.len() < MAX_FIRST_LINE
                && matches!(input.get(word), None | Some(b' ' | b'/'));
            return if may_be { None } else { UNKNOWN };
        }
    };
    let first_line = String::from_utf8_lossy(first_line);
    let words: Vec<_> = first_line.split_ascii_whitespace().collect();
    let status = match words[..] {
        [version, status, ..] if version.starts_with("RTSP/") => match status.parse() {
            Ok(status @ 100..600) => Some(status),
            _ => return UNKNOWN,
        },
        [method, _, version] if version.starts_with("RTSP/") && method.len() <= MAX_METHOD => None,
        _ => return UNKNOWN,
    };
    let head = head_length(input)?;
    let Some(head) = head else { return UNKNOWN };
    let first = input.iter().position(|byte| *byte == b'\n').map_or(head, |end| end + 1);
    let headers = Headers::parse(&input[first..head]);
    let body = headers.get("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
    if body > MAX_BODY {
        return UNKNOWN;
    }
    let body = input.get(head..head + body)?;
    let length = head + body.len();
    let item = match status {
        Some(status) => Item::Response(Response { status, headers, body: body.to_vec() }),
        None => Item::Request(Request { method: words.first().map(|m| (*m).to_owned()).unwrap_or_default(), headers }),
    };
    Some((item, length))
}

/// Where the head ends, behind its empty line. `None`: not yet; `Some(None)`: it is too long.
fn head_length(input: &[u8]) -> Option<Option<usize>> {
    let mut line = 0;
    for (at, byte) in input.iter().enumerate().take(MAX_HEAD) {
        if *byte == b'\n' {
            if line > 0 && input[line..at].iter().all(|byte| *byte == b'\r') {
                return Some(Some(at + 1));
            }
            line = at + 1;
        }
    }
    (input.len() >= MAX_HEAD).then_some(None)
}

/// A request without a body.
pub(crate) fn request(method: &str, url: &str, sequence: u32, fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut text = format!("{method} {url} RTSP/1.0\r\nCSeq: {sequence}\r\nUser-Agent: gatehouse\r\n").into_bytes();
    for (name, value) in fields {
        text.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    text.extend(b"\r\n");
    text
}

/// The answer to a camera's request. What it announces or sets changes nothing here.
pub(crate) fn answer(request: &Request) -> Vec<u8> {
    let status = match request.method.as_str() {
        "OPTIONS" | "ANNOUNCE" | "GET_PARAMETER" | "SET_PARAMETER" => "200 OK",
        _ => "501 Not Implemented",
    };
    let sequence = request.headers.get("CSeq").unwrap_or_default();
    format!("RTSP/1.0 {status}\r\nCSeq: {sequence}\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All items of the input, and the unknown bytes.
    fn items(input: &[u8]) -> (Vec<Item>, usize) {
        let (mut at, mut items, mut unknown, mut is_lost) = (0, Vec::new(), 0, false);
        while let Some((item, length)) = next_item(&input[at..], is_lost, &[0, 1]) {
            assert!(length > 0 && at + length <= input.len());
            match item {
                Item::Unknown => (unknown, is_lost) = (unknown + length, true),
                Item::LineEnds => {}
                item => {
                    is_lost = false;
                    items.push(item);
                }
            }
            at += length;
        }
        (items, unknown)
    }

    fn response(input: &[u8]) -> Response {
        match &items(input).0[..] {
            [Item::Response(response)] => response.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answers_are_read_as_cameras_write_them() {
        let strict = response(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\nSession: 1;timeout=60\r\n\r\nv=0");
        assert_eq!((strict.status, strict.body.as_slice()), (200, b"v=0".as_slice()));
        assert_eq!(strict.headers.get("session").as_deref(), Some("1;timeout=60"));
        for text in [
            "RTSP/1.0 401\r\ncseq:1\r\nwww-authenticate:Basic realm=\"a\"\r\nwww-authenticate: Digest realm=\"b\",\r\n nonce=\"c\"\r\n\r\n",
            "RTSP/1.0 401 \nCSeq : 1\nWWW-Authenticate : Basic realm=\"a\"\nWWW-AUTHENTICATE:Digest realm=\"b\",\n\tnonce=\"c\"\n\n",
            "\r\n\r\nRTSP/2.0 401 Wrong Password\r\nWWW-Authenticate: Basic realm=\"a\"\r\nnot a field\r\nWWW-Authenticate: Digest realm=\"b\", nonce=\"c\"\r\n\r\n",
        ] {
            let answer = response(text.as_bytes());
            let challenges: Vec<_> = answer.headers.all("WWW-Authenticate").map(String::from_utf8_lossy).collect();
            assert_eq!((answer.status, challenges.len()), (401, 2), "{text}");
            assert_eq!(challenges[1], "Digest realm=\"b\", nonce=\"c\"");
        }
        assert_eq!(response(b"RTSP/1.0 200 \xb5\xc7\xc2\xbc\r\nServer: \xb5\xc7\r\n\r\n").status, 200);
    }

    #[test]
    fn packets_requests_and_unknown_bytes_are_separated() {
        let mut input = Vec::new();
        input.extend(b"$\0\0\x0c\x80aaaaaaaaaaa");
        input.extend(b"\0\0\0\0\0garbage\xff\xfe$\x09\0");
        input.extend(b"$\x01\0\x08\x80bbbbbbb");
        input.extend(b"ANNOUNCE rtsp://x/y RTSP/1.0\r\nCSeq: 900\r\nContent-Length: 2\r\n\r\nxx");
        input.extend(b"$\x06\0\x02cc");
        input.extend(b"RTSP/1.0 200 OK\r\n\r\nREDIRECT of no meaning\n$\0\0\x01\xff");
        let (items, unknown) = items(&input);
        let names: Vec<_> = items
            .iter()
            .map(|item| match item {
                Item::Packet { channel, bytes } => format!("{channel}: {}", bytes.len()),
                Item::Response(response) => response.status.to_string(),
                Item::Request(request) => request.method.clone(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(names, ["0: 12", "1: 8", "ANNOUNCE", "6: 2", "200"]);
        assert_eq!(unknown, 5 + 7 + 2 + 3 + 22 + 5);
    }

    #[test]
    fn requests_of_the_camera_are_answered() {
        let asked = |method: &str| Request {
            method: method.to_owned(),
            headers: Headers(vec![("cseq".to_owned(), b"900".to_vec())]),
        };
        assert_eq!(answer(&asked("ANNOUNCE")), b"RTSP/1.0 200 OK\r\nCSeq: 900\r\n\r\n");
        assert_eq!(answer(&asked("PLAY")), b"RTSP/1.0 501 Not Implemented\r\nCSeq: 900\r\n\r\n");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_the_end(bytes in proptest::collection::vec(any::<u8>(), 0..300), lost: bool) {
            let mut at = 0;
            while let Some((_, length)) = next_item(&bytes[at..], lost, &[0, 1]) {
                prop_assert!(length > 0 && at + length <= bytes.len());
                at += length;
            }
        }

        /// However the bytes are cut, the same items come.
        #[test]
        fn a_message_in_parts_waits_for_its_rest(cut in 1usize..80) {
            let whole: &[u8] = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 12345678\r\nContent-Length: 20\r\n\r\n01234567890123456789";
            let cut = cut.min(whole.len() - 1);
            prop_assert_eq!(next_item(&whole[..cut], false, &[0]), None);
            prop_assert!(matches!(next_item(whole, false, &[0]), Some((Item::Response(_), length)) if length == whole.len()));
        }

        #[test]
        fn packets_are_found_again_behind_any_garbage(garbage in proptest::collection::vec(0u8..=255, 0..40)) {
            // A packet's own bytes follow: what garbage could swallow is bounded by this length.
            let packet = [b"$\0\0\x0c\x80".as_slice(), &[7; 11]].concat();
            let mut input = b"\0".to_vec();
            input.extend(garbage.iter().filter(|byte| **byte != b'$' && !byte.is_ascii_uppercase()));
            input.extend(&packet);
            let (found, _) = items(&input);
            prop_assert_eq!(found.len(), 1);
        }
    }
}
