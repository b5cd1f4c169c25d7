//! Reads a table's bytes as text. A wrong guess would garble people's names, so a table without a
//! mark at its start is read only if one encoding explains it and others do not.

use std::borrow::Cow;

use anyhow::anyhow;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    BIG5, Decoder, DecoderResult, EUC_JP, EUC_KR, Encoding, GB18030, UTF_8, WINDOWS_1250, WINDOWS_1252, WINDOWS_1254,
};

/// A table's text, and how it was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) encoding: &'static Encoding,
}

/// Reads a table in `stated`, or in the encoding that its bytes show.
pub(super) fn read<'t>(bytes: &'t [u8], stated: Option<&'static Encoding>) -> anyhow::Result<Text<'t>> {
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        return Err(anyhow!("the table is in UTF-32, which is not read; save it as UTF-8"));
    }
    let mark = Encoding::for_bom(bytes);
    let encoding = match (mark, stated) {
        (Some((marked, _)), Some(stated)) if marked != stated => {
            return Err(anyhow!("the table begins with the mark of {}, not of {}", name(marked), name(stated)));
        }
        (Some((marked, _)), _) => marked,
        (None, Some(stated)) => stated,
        (None, None) => detect(bytes)?,
    };
    let rest = &bytes[mark.map_or(0, |(_, length)| length)..];
    let text = encoding
        .decode_without_bom_handling_and_without_replacement(rest)
        .ok_or_else(|| anyhow!("line {}: not text in {}", first_bad_line(rest, encoding), name(encoding)))?;
    if text.chars().any(|c| (c.is_control() && !c.is_ascii_whitespace()) || is_private(c)) {
        return Err(anyhow!("the table is not text in {}: say with --encoding how it is written", name(encoding)));
    }
    Ok(Text { text, encoding })
}

/// What people call an encoding.
pub(super) fn name(encoding: &'static Encoding) -> &'static str {
    match encoding.name() {
        "gb18030" | "GBK" => "GB 18030 (GBK)",
        "windows-1252" => "Windows-1252 (Latin-1)",
        "UTF-16LE" | "UTF-16BE" => "UTF-16",
        other => other,
    }
}

/// Finds an encoding by a name of the WHATWG Encoding Standard, such as `gbk` or `latin1`.
pub(super) fn by_label(label: &str) -> Result<&'static Encoding, String> {
    let known = Encoding::for_label_no_replacement(label.as_bytes());
    known.ok_or_else(|| "expected an encoding such as utf-8, gb18030, windows-1252, big5 or shift_jis".to_owned())
}

/// True for characters without a meaning of their own, which a wrong encoding often gives.
fn is_private(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fffd}'..='\u{ffff}' | '\u{f0000}'..)
}

fn first_bad_line(bytes: &[u8], encoding: &'static Encoding) -> usize {
    let mut decoder: Decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(0));
    let (result, ..) = decoder.decode_to_string_without_replacement(bytes, &mut text, true);
    debug_assert!(matches!(result, DecoderResult::Malformed(..)));
    1 + text.matches('\n').count()
}

/// The encoding of a table without a mark.
fn detect(bytes: &[u8]) -> anyhow::Result<&'static Encoding> {
    let refuse = |names: &str| {
        anyhow!(
            "the table is not in UTF-8; it may be in {names}. Save it as UTF-8, or say how it is written, for example \
             `--encoding gb18030` or `--encoding windows-1252`"
        )
    };
    if bytes.contains(&0) {
        return Err(refuse("UTF-16 without a mark at its start"));
    }
    if bytes.contains(&0x1b) {
        return Err(refuse("ISO-2022-JP"));
    }
    if std::str::from_utf8(bytes).is_ok() {
        return Ok(UTF_8);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let guess = detector.guess(None, Utf8Detection::Deny);
    let mut possible: Vec<&str> = vec![name(guess)];
    if guess.name() == "GBK" && is_chinese(bytes) {
        let rivals = [(EUC_KR, is_korean(bytes)), (EUC_JP, is_japanese(bytes)), (BIG5, is_traditional(bytes))];
        possible.extend(rivals.iter().filter(|(_, is_plausible)| *is_plausible).map(|(rival, _)| name(rival)));
        if possible.len() == 1 {
            return Ok(GB18030);
        }
    } else if guess == WINDOWS_1252 {
        if !is_western(bytes) {
            possible.push("an encoding of DOS or old Mac OS");
        } else {
            let read = |encoding: &'static Encoding| encoding.decode_without_bom_handling(bytes).0;
            let western = read(WINDOWS_1252);
            let rivals = [WINDOWS_1250, WINDOWS_1254];
            possible.extend(rivals.iter().filter(|rival| read(rival) != western).map(|rival| name(rival)));
            if possible.len() == 1 {
                return Ok(WINDOWS_1252);
            }
        }
    }
    Err(refuse(&possible.join(" or ")))
}

/// The characters of two bytes, if that is all that there is besides ASCII.
fn pairs(bytes: &[u8]) -> Option<Vec<[u8; 2]>> {
    let mut pairs = Vec::new();
    let mut rest = bytes.iter().copied();
    while let Some(first) = rest.next() {
        if !first.is_ascii() {
            pairs.push([first, rest.next()?]);
        }
    }
    Some(pairs)
}

/// The share of characters whose first byte is in the range.
fn share(pairs: &[[u8; 2]], range: std::ops::RangeInclusive<u8>) -> f64 {
    pairs.iter().filter(|pair| range.contains(&pair[0])).count() as f64 / pairs.len().max(1) as f64
}

fn decodes(bytes: &[u8], encoding: &'static Encoding) -> bool {
    encoding.decode_without_bom_handling_and_without_replacement(bytes).is_some()
}

/// Simplified Chinese: mostly the 3755 characters of GB 2312's first level (0xB0 to 0xD7).
fn is_chinese(bytes: &[u8]) -> bool {
    let Some(text) = GB18030.decode_without_bom_handling_and_without_replacement(bytes) else { return false };
    let is_han = |c: char| matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}' | '·' | '—' | '…' | '“' | '”');
    let foreign: Vec<char> = text.chars().filter(|c| !c.is_ascii()).collect();
    let Some(pairs) = pairs(bytes) else { return false };
    foreign.len() >= 3 && foreign.iter().all(|c| is_han(*c)) && share(&pairs, 0xb0..=0xd7) >= 0.7
}

/// Korean as it is written today: syllables (first byte 0xB0 to 0xC8) and hardly a Chinese
/// character.
fn is_korean(bytes: &[u8]) -> bool {
    decodes(bytes, EUC_KR) && pairs(bytes).is_some_and(|pairs| share(&pairs, 0xb0..=0xc8) >= 0.9)
}

/// Japanese: kana, and few characters outside the first level of JIS X 0208 (0xB0 to 0xCF).
fn is_japanese(bytes: &[u8]) -> bool {
    decodes(bytes, EUC_JP) && pairs(bytes).is_some_and(|pairs| share(&pairs, 0xa1..=0xcf) >= 0.9)
}

/// Traditional Chinese: mostly the common characters of Big5 (0xA4 to 0xC6).
fn is_traditional(bytes: &[u8]) -> bool {
    decodes(bytes, BIG5) && pairs(bytes).is_some_and(|pairs| share(&pairs, 0xa1..=0xc6) >= 0.9)
}

/// A language of Western Europe: letters and quotes where such languages have them.
fn is_western(bytes: &[u8]) -> bool {
    let letter = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphabetic() || *byte >= 0xc0);
    let mut run = 0;
    bytes.iter().enumerate().all(|(at, byte)| {
        run = if byte.is_ascii() { 0 } else { run + 1 };
        let (before, after) = (at.checked_sub(1).and_then(|at| bytes.get(at)), bytes.get(at + 1));
        run <= 2
            && match byte {
                0..=0x7f | 0xa0 | 0xaa | 0xba | 0xa7 | 0xb0 => true,
                // × and ÷ are letters of other encodings.
                0xd7 | 0xf7 => false,
                0xc0..=0xff => letter(before) || letter(after),
                // An apostrophe as in O’Brien: few letters stand before it.
                0x92 => letter(after) && !bytes[..at].iter().rev().take(3).all(|byte| letter(Some(byte))),
                // Quotation marks and dashes stand beside no letter on at least one side.
                0x91 | 0x93 | 0x94 | 0x96 | 0x97 | 0x84 => !(letter(before) && letter(after)),
                _ => false,
            }
    })
}

#[cfg(test)]
mod tests {
    use encoding_rs::{UTF_16BE, UTF_16LE};

    use super::*;

    const CHINESE: &str = "name,photos\n张伟,a.jpg\nAnn O'Brien,李 娜.jpg\n";
    const LONGER: &str = "name;photos\n王小明;a.jpg\n欧阳娜娜;b.jpg\n诸葛亮;c.jpg\n赵敏;d.jpg\n司马懿;e.jpg\n";

    fn encoded(text: &str, encoding: &'static Encoding) -> Vec<u8> {
        let (bytes, _, unmappable) = encoding.encode(text);
        assert!(!unmappable, "{text}");
        bytes.into_owned()
    }

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        "\u{feff}".chars().chain(text.chars()).collect::<String>().encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn text_is_read_as_it_was_written() {
        let western = "name;photos\nJosé Müller;a.jpg\nFrançois d’Aßen;b.jpg\nÉva García;c.jpg\n";
        for (text, bytes, expected) in [
            (CHINESE, CHINESE.as_bytes().to_vec(), UTF_8),
            (CHINESE, [b"\xef\xbb\xbf", CHINESE.as_bytes()].concat(), UTF_8),
            ("name\nAnn\n", b"name\nAnn\n".to_vec(), UTF_8),
            (CHINESE, encoded(CHINESE, GB18030), GB18030),
            (LONGER, encoded(LONGER, GB18030), GB18030),
            (western, encoded(western, WINDOWS_1252), WINDOWS_1252),
            (CHINESE, utf16(CHINESE, u16::to_le_bytes), UTF_16LE),
            (CHINESE, utf16(CHINESE, u16::to_be_bytes), UTF_16BE),
        ] {
            let read = read(&bytes, None).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((read.text.as_ref(), read.encoding), (text, expected));
        }
    }

    #[test]
    fn what_could_be_something_else_is_refused_by_name() {
        let of = |text: &str, label: &str| encoded(text, by_label(label).expect("a label"));
        for (bytes, expected) in [
            (of("name\n김철수\n이영희\n박민준\n", "euc-kr"), "EUC-KR"),
            (of("name\n田中太郎\n山本花子\n", "euc-jp"), "EUC-JP"),
            (of("name\n田中太郎\n鈴木さくら\n", "shift_jis"), "Shift_JIS"),
            (of("name\n王小明\n陳怡君\n林志豪\n", "big5"), "Big5"),
            (of("name\nИван Петров\nМария Сидорова\n", "windows-1251"), "windows-1251"),
            (of("name\nJiří Dvořák\nŁukasz Żak\n", "windows-1250"), ""),
            (of("name\nMuñoz\n", "windows-1252"), "Windows-1252 (Latin-1) or windows-1250"),
            (b"name\nJos\x82 M\x81ller\n".to_vec(), ""),
            (b"name\nJos\x8e M\x9fller\n".to_vec(), ""),
            (b"name\nGarc\x92a\n".to_vec(), ""),
            (b"n\0a\0m\0e\0\n\0".to_vec(), "UTF-16 without a mark"),
            (b"name\n\x1b$B;3\x1b(B\n".to_vec(), "ISO-2022-JP"),
        ] {
            let error = read(&bytes, None).expect_err(expected).to_string();
            assert!(error.contains(expected) && error.contains("--encoding"), "{error}");
        }
        let error = read(b"\xff\xfe\0\0n\0\0\0", None).expect_err("UTF-32").to_string();
        assert!(error.contains("UTF-32"), "{error}");
    }

    #[test]
    fn a_stated_encoding_is_used_and_has_to_fit() {
        for (label, text) in [("gbk", CHINESE), ("big5", "王小明"), ("latin1", "Muñoz Åse"), ("euc-kr", "김철수")]
        {
            let encoding = by_label(label).expect("a label");
            let bytes = encoded(text, encoding);
            assert_eq!(read(&bytes, Some(encoding)).expect("text").text, text);
        }
        let error = |bytes: &[u8], label| read(bytes, by_label(label).ok()).expect_err(label).to_string();
        assert_eq!(error(b"name\nAnn\nJos\xe9 M\n", "utf-8"), "line 3: not text in UTF-8");
        assert_eq!(
            error("\u{feff}name".as_bytes(), "gbk"),
            "the table begins with the mark of UTF-8, not of GB 18030 (GBK)"
        );
        assert!(error(b"name\nJos\x81\n", "latin1").contains("not text in Windows-1252"));
        assert!(by_label("klingon").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            for stated in [None, Some(GB18030), Some(UTF_16LE), Some(BIG5), Some(EUC_JP)] {
                let _ = read(&bytes, stated);
            }
        }
    }
}
