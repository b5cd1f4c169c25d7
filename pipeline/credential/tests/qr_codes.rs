//! QR codes from paper to camera: what is printed reads back, what a gate camera sees at usual
//! sizes is read, and nothing that is held up stops the reader.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

#[path = "scene/mod.rs"]
mod scene;

use gatehouse_core::time::WallTime;
use gatehouse_credential::{
    CardContents, CardKey, ModelTag, Paper, Pass, PassId, QrReader, SearchedInVain, Sheet, SheetError, SiteSecret,
    SiteSigner, UnixSeconds, seal_card, sign_pass,
};
use proptest::prelude::*;
use qrcode::{EcLevel, QrCode};
use scene::{Random, Scene};

const SITE: &str = "gatehouse/v1/area/site";

fn secret() -> SiteSecret {
    SiteSecret::from_text(&"42".repeat(32)).expect("it is a secret")
}

fn pass_text() -> String {
    let pass = Pass {
        id: PassId::from_bytes([7; 16]),
        valid_from: UnixSeconds(1_790_000_000),
        valid_until: UnixSeconds(1_790_003_600),
    };
    sign_pass(&SiteSigner::new(&secret()), SITE, &pass)
}

fn card_text() -> String {
    let contents = CardContents {
        template: std::array::from_fn(|i| (i * 37 % 255) as u8 as i8),
        model: ModelTag::of("faces", "1"),
        consent_until: UnixSeconds(1_790_000_000),
        valid_until: UnixSeconds(1_790_000_000),
    };
    let now = WallTime::from_unix_nanos(1_790_000_000_000_000_000);
    let card = seal_card(&SiteSigner::new(&secret()), &CardKey::new(&secret()), SITE, now, &contents);
    card.expect("the system has randomness").text.to_string()
}

fn code(text: &str) -> QrCode {
    QrCode::with_error_correction_level(text, EcLevel::M).expect("it fits")
}

fn read(reader: &mut QrReader, scene: &Scene, luma: &[u8]) -> Vec<String> {
    reader.read(luma, scene.width, scene.height, scene.width)
}

/// A pass or a card held up by hand: on paper or on a phone, turned and tilted up to 30°, in uneven
/// light, noisy, compressed.
fn held(seed: u64, module_px: f32, blur_px: f32) -> Scene {
    let mut random = Random(0x5eed + seed * 7919);
    let mut between = |low: f32, high: f32| low + (high - low) * random.unit();
    between(0.0, 1.0);
    let phone = seed % 2 == 1;
    Scene {
        module_px,
        blur_px,
        rotation_deg: between(-30.0, 30.0),
        tilt_deg: between(-30.0, 30.0),
        noise: between(2.0, 7.0),
        light: (between(0.55, 1.15), between(0.55, 1.15)),
        quality: Some(between(40.0, 90.0) as u32),
        ink: if phone { 15.0 } else { between(40.0, 60.0) },
        paper: if phone { 235.0 } else { between(170.0, 220.0) },
        quiet_modules: if phone { 2.0 } else { 4.0 },
        centre: (640.0 + between(-30.0, 30.0), 360.0 + between(-15.0, 15.0)),
        seed: seed + 77,
        ..Scene::good()
    }
}

#[test]
fn pass_and_card_are_read_at_the_documented_sizes() {
    let mut reader = QrReader::default();
    for text in [pass_text(), card_text()] {
        let code = code(&text);
        for (module_px, blur_px) in [(2.5, 0.5), (3.0, 1.0), (4.0, 1.5), (6.0, 2.0)] {
            let reads = (0..4).filter(|seed| {
                let scene = held(*seed, module_px, blur_px);
                read(&mut reader, &scene, &scene.draw(Some(&code))) == [text.as_str()]
            });
            assert!(reads.count() >= 3, "modules of {module_px} px, blurred by {blur_px} px, {} bytes", text.len());
        }
    }
}

/// Phones in dark mode: light modules on dark, with the margin dark as well.
fn in_dark_mode(scene: Scene) -> Scene {
    Scene { ink: 225.0, paper: 25.0, ..scene }
}

#[test]
fn codes_in_dark_mode_are_read_as_well() {
    for text in [pass_text(), card_text()] {
        let code = code(&text);
        for (module_px, blur_px) in [(3.0, 0.7), (4.0, 1.0), (6.0, 1.5)] {
            let reads = (0..4).filter(|seed| {
                let scene = in_dark_mode(held(*seed, module_px, blur_px));
                read(&mut QrReader::default(), &scene, &scene.draw(Some(&code))) == [text.as_str()]
            });
            let reads = reads.count();
            assert!(
                reads >= 3,
                "{reads} of 4: modules of {module_px} px, blurred by {blur_px} px, {} bytes",
                text.len()
            );
        }
    }
}

#[test]
fn a_camera_reads_dark_mode_within_two_frames() {
    let text = pass_text();
    let code = code(&text);
    let light = Scene { quality: None, noise: 0.0, ..Scene::good() };
    let (empty, dark) = (light.draw(None), in_dark_mode(light).draw(Some(&code)));
    let light_code = light.draw(Some(&code));
    for frames_before in 0..8 {
        let (mut reader, mut before) = (QrReader::default(), SearchedInVain::default());
        let mut next = |luma: &[u8]| reader.read_next(luma, light.width, light.height, light.width, &mut before);
        (0..frames_before).for_each(|_| drop(next(&empty)));
        let first = next(&dark);
        let found = if first.is_empty() { next(&dark) } else { first };
        assert_eq!(found, [text.as_str()], "after {frames_before} frames");
        assert_eq!(next(&light_code), [text.as_str()], "dark on light is read at once");
    }
}

/// As a phone's front camera shows it, and pale: a dim screen, or a worn print.
#[test]
fn mirrored_and_pale_codes_are_read() {
    let text = pass_text();
    let code = code(&text);
    for (ink, paper) in [(35.0, 215.0), (90.0, 150.0), (225.0, 25.0), (140.0, 80.0)] {
        let scene = Scene { ink, paper, module_px: 5.0, ..Scene::good() };
        let mut luma = scene.draw(Some(&code));
        assert_eq!(read(&mut QrReader::default(), &scene, &luma), [text.as_str()], "{ink} on {paper}");
        luma.chunks_mut(scene.width).for_each(<[u8]>::reverse);
        assert_eq!(read(&mut QrReader::default(), &scene, &luma), [text.as_str()], "{ink} on {paper}, mirrored");
    }
}

#[test]
fn an_empty_scene_has_no_codes() {
    let mut reader = QrReader::default();
    for seed in 0..4 {
        let scene = Scene { seed, ..Scene::good() };
        assert_eq!(read(&mut reader, &scene, &scene.draw(None)), Vec::<String>::new());
    }
}

#[test]
fn a_pass_beside_another_code_is_read_too_whatever_the_stride() {
    let (text, other) = (pass_text(), code("https://example.org/"));
    let left = Scene { centre: (300.0, 360.0), ..Scene::good() };
    let right = Scene { centre: (950.0, 360.0), ..Scene::good() };
    let (mut luma, beside) = (left.draw(Some(&code(&text))), right.draw(Some(&other)));
    for (row, other_row) in luma.chunks_mut(left.width).zip(beside.chunks(left.width)) {
        row[640..].copy_from_slice(&other_row[640..]);
    }
    let mut reader = QrReader::default();
    let mut texts = read(&mut reader, &left, &luma);
    texts.sort();
    assert_eq!(texts, [text.as_str(), "https://example.org/"]);

    let padded: Vec<u8> = luma.chunks(left.width).flat_map(|row| row.iter().copied().chain([0; 64])).collect();
    assert!(reader.read(&padded, left.width, left.height, left.width + 64).contains(&text));
}

#[test]
fn a_large_frame_is_read_smaller() {
    let text = pass_text();
    let scene =
        Scene { width: 2560, height: 1440, module_px: 7.0, centre: (1300.0, 700.0), quality: None, ..Scene::good() };
    assert_eq!(read(&mut QrReader::default(), &scene, &scene.draw(Some(&code(&text)))), [text]);
}

#[test]
fn a_plane_that_is_no_picture_has_no_codes() {
    let mut reader = QrReader::default();
    let luma = vec![0; 100];
    for (width, height, stride) in [
        (0, 0, 0),
        (10, 0, 10),
        (0, 10, 10),
        (10, 11, 10),
        (10, 10, 9),
        (10, 10, usize::MAX),
        (usize::MAX, 2, usize::MAX),
    ] {
        assert_eq!(reader.read(&luma, width, height, stride), Vec::<String>::new(), "{width} {height} {stride}");
    }
    for side in 1..=10 {
        assert_eq!(reader.read(&luma, side, side, side), Vec::<String>::new());
    }
}

#[test]
fn a_wall_of_finder_patterns_does_not_stop_the_reader() {
    let (text, mut reader) = (pass_text(), QrReader::default());
    let (width, height) = (1280, 720);
    let mut wall = vec![220; width * height];
    for (i, luma) in wall.iter_mut().enumerate() {
        let (u, v) = ((i % width) % 24 / 3, (i / width) % 24 / 3);
        if u < 7 && v < 7 && u.abs_diff(3).max(v.abs_diff(3)) != 2 {
            *luma = 20;
        }
    }
    assert_eq!(reader.read(&wall, width, height, width), Vec::<String>::new());
    let scene = Scene::good();
    assert_eq!(read(&mut reader, &scene, &scene.draw(Some(&code(&text)))), [text], "the next frame is read as ever");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn nothing_that_is_held_up_stops_the_reader(
        seed: u64, width in 1..200usize, height in 1..200usize, period in 1..12usize, kind in 0..5u8,
        cut in 0.3f32..1.0, noise in 0.0f32..80.0,
    ) {
        let mut random = Random(seed | 1);
        let mut reader = QrReader::default();
        if kind == 4 {
            // A real code, cut off and drowned in noise.
            let scene = Scene { width: 200, height: 160, centre: (200.0 * cut, 80.0), noise, seed, ..Scene::good() };
            read(&mut reader, &scene, &scene.draw(Some(&code(&pass_text()))));
        } else {
            let luma: Vec<u8> = (0..width * height).map(|i| {
                let (x, y) = (i % width / period, i / width / period);
                match kind {
                    0 => (256.0 * random.unit()) as u8,
                    1 => if random.unit() < 0.5 { 0 } else { 255 },
                    2 => if x % 2 == 0 { 10 } else { 240 },
                    _ => if (x + y) % 2 == 0 { 10 } else { 240 },
                }
            }).collect();
            reader.read(&luma, width, height, width);
        }
    }
}

/// Draws rectangles (left, top, width, height) of black on white, and reads the picture.
fn read_squares(squares: &[[f32; 4]], side: f32) -> Vec<String> {
    let scale = 1000.0 / side;
    let mut luma = vec![255u8; 1000 * 1000];
    for square in squares {
        let [left, top, width, height] = square.map(|v| v * scale);
        for y in top.round() as usize..(top + height).round() as usize {
            luma[y * 1000..][left.round() as usize..(left + width).round() as usize].fill(0);
        }
    }
    QrReader::default().read(&luma, 1000, 1000, 1000)
}

#[test]
fn a_png_reads_back() {
    for text in [pass_text(), card_text()] {
        for module_px in [4, 5, 10] {
            let file = Sheet { text: &text, lines: &[] }.to_png(module_px).expect("it is drawn");
            let mut decoder = png::Decoder::new(std::io::Cursor::new(&file));
            decoder.set_transformations(png::Transformations::EXPAND);
            let mut png = decoder.read_info().expect("it is a PNG");
            let mut luma = vec![0; png.output_buffer_size().expect("it is small")];
            let info = png.next_frame(&mut luma).expect("it has a picture");
            let side = info.width as usize;
            assert_eq!((info.width, side), (info.height, (code(&text).width() + 8) * module_px as usize));
            assert_eq!(QrReader::default().read(&luma, side, side, info.line_size), [text.as_str()]);
        }
    }
}

#[test]
fn a_png_of_no_size_or_a_text_too_long_is_refused() {
    let long = "A".repeat(5000);
    let sheet = Sheet { text: &long, lines: &[] };
    assert_eq!(sheet.to_png(4), Err(SheetError::TooLong { length: 5000 }));
    assert_eq!(sheet.to_svg(), Err(SheetError::TooLong { length: 5000 }));
    assert_eq!(sheet.to_pdf(Paper::A6), Err(SheetError::TooLong { length: 5000 }));
    for module_px in [0, 65, u32::MAX] {
        assert_eq!(Sheet { text: "A", lines: &[] }.to_png(module_px), Err(SheetError::ModuleSize { module_px }));
    }
}

#[test]
fn an_svg_is_well_formed_and_reads_back() {
    let text = card_text();
    let svg = Sheet { text: &text, lines: &["<valid> & \"long\"", "李雷\u{1}"] }.to_svg().expect("it is drawn");
    let tree = roxmltree::Document::parse(&svg).expect("it is XML");
    assert_eq!(tree.root_element().attribute("viewBox"), Some("0 0 69 77"));
    let lines: Vec<_> = tree.descendants().filter(|node| node.has_tag_name("text")).filter_map(|n| n.text()).collect();
    assert_eq!(lines, ["<valid> & \"long\"", "李雷 "]);
    let path = tree.descendants().find(|node| node.attribute("id") == Some("code")).expect("the code's path");
    let squares: Vec<[f32; 4]> = path
        .attribute("d")
        .expect("a path has points")
        .split_terminator('z')
        .map(|run| {
            let numbers: Vec<f32> = run[1..].split([' ', 'h', 'v']).map(|n| n.parse().expect("a number")).collect();
            [numbers[0], numbers[1], numbers[2], numbers[3]]
        })
        .collect();
    assert_eq!(read_squares(&squares, 69.0), [text]);
}

/// The numbers of a line of a PDF's page before its operator.
fn operands(line: &str) -> Vec<f32> {
    line.split(' ').filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn a_pdf_is_well_formed_has_its_size_and_reads_back() {
    let text = card_text();
    for (paper, size) in [(Paper::A6, [105.0, 148.0]), (Paper::CardOnA4, [210.0, 297.0])] {
        let sheet = Sheet { text: &text, lines: &["valid until (2026-09-21)", "李雷"] };
        let file = sheet.to_pdf(paper).expect("it is drawn");
        assert!(file.starts_with(b"%PDF-1.7\n") && file.ends_with(b"%%EOF"));
        // Everything in it is text but the mark of a binary file and the Chinese line.
        let pdf = String::from_utf8_lossy(&file);
        let offset = |at: usize| std::str::from_utf8(&file[at..at + 10]).expect("ten digits").parse::<usize>();
        let rfind = |what: &[u8]| file.windows(what.len()).rposition(|window| window == what).expect("it is there");
        let xref: usize = pdf.lines().rev().nth(1).expect("it has lines").parse().expect("where the table is");
        assert!(file[xref..].starts_with(b"xref\n0 9\n"));
        for object in 1..9 {
            let at = offset(xref + 9 + 20 * object).expect("where an object is");
            assert!(file[at..].starts_with(format!("{object} 0 obj\n").as_bytes()), "object {object}");
        }
        assert!(rfind(b"trailer") > xref);

        let media_box = pdf.lines().find(|line| line.contains("/MediaBox")).expect("a page has a size");
        let media_box = operands(&media_box.replace(['[', ']'], " "));
        for (points, mm) in media_box[2..].iter().zip(size) {
            assert!((points / 72.0 * 25.4 - mm).abs() < 0.01, "{media_box:?}");
        }
        assert!(pdf.contains("(valid until \\(2026-09-21\\)) Tj") || pdf.contains("(valid until (2026-09-21)) Tj"));
        let rectangles: Vec<_> = pdf.lines().filter(|line| line.ends_with(" re")).map(operands).collect();
        let code = if paper == Paper::CardOnA4 { &rectangles[1..] } else { &rectangles[..] };
        let left = code.iter().map(|r| r[0]).fold(f32::MAX, f32::min);
        let top = code.iter().map(|r| r[1] + r[3]).fold(0.0, f32::max);
        let module = code[0][3];
        let squares: Vec<_> =
            code.iter().map(|r| [r[0] - left + 4.0 * module, top - r[1] - r[3] + 4.0 * module, r[2], r[3]]).collect();
        assert_eq!(read_squares(&squares, 69.0 * module), [text.as_str()]);
        assert!(rectangles.iter().flatten().all(|v| *v >= 0.0 && *v <= media_box[3]));
    }
}
