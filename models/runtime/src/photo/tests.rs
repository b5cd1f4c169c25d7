use jpeg_encoder::{ColorType, Encoder};

use sha2::{Digest, Sha256};

use super::decode::decode;
use super::*;

/// Left half red, right half blue, as RGB.
fn pixels(columns: usize, rows: usize) -> Vec<u8> {
    let pixel = |i: usize| if i % columns < columns / 2 { [255, 0, 0] } else { [0, 0, 255] };
    (0..columns * rows).flat_map(pixel).collect()
}

fn jpeg(columns: u16, rows: u16) -> Vec<u8> {
    encoded(&pixels(columns.into(), rows.into()), columns, false, None)
}

/// How the entropy-coded data of a JPEG is arranged.
fn encoded(pixels: &[u8], columns: u16, progressive: bool, restart_interval: Option<u16>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 90);
    encoder.set_progressive(progressive);
    if let Some(interval) = restart_interval {
        encoder.set_restart_interval(interval);
    }
    let rows = pixels.len() / 3 / usize::from(columns);
    encoder.encode(pixels, columns, rows as u16, ColorType::Rgb).expect("encoded");
    file
}

/// A picture with detail everywhere, like a photo's.
fn textured(columns: usize, rows: usize, seed: u32) -> Vec<u8> {
    let pixel = |i: usize| {
        let (x, y) = (i % columns, i / columns);
        let noise = (i as u32 ^ seed).wrapping_mul(0x9e37_79b1) >> 27;
        [(x * 3 + y) as u8 / 2 + noise as u8, (y * 2) as u8 / 2 + noise as u8, ((x ^ y) as u8) / 2 + noise as u8]
    };
    (0..columns * rows).flat_map(pixel).collect()
}

/// Every arrangement of a JPEG.
fn arrangements(pixels: &[u8], columns: u16) -> Vec<Vec<u8>> {
    [(false, None), (false, Some(4)), (true, None), (true, Some(5))]
        .map(|(progressive, interval)| encoded(pixels, columns, progressive, interval))
        .to_vec()
}

fn png(columns: u32, rows: u32, kind: png::ColorType, samples: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, columns, rows);
    encoder.set_color(kind);
    encoder.write_header().expect("a header").write_image_data(samples).expect("encoded");
    file
}

fn rgb_png(columns: u32, rows: u32) -> Vec<u8> {
    png(columns, rows, png::ColorType::Rgb, &pixels(columns as usize, rows as usize))
}

fn read(file: &[u8], limits: &PhotoLimits) -> Result<Photo, PhotoError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("photo");
    std::fs::write(&path, file).expect("written");
    read_photo(&path, limits)
}

/// Adds an Exif segment (APP1) with an orientation alone, where cameras put it.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() + 2) as u16;
    [&jpeg[..2], b"\xff\xe1", &length.to_be_bytes(), &exif, &jpeg[2..]].concat()
}

fn luma_at(photo: &Photo, x: usize, y: usize) -> u8 {
    photo.as_picture().luma().row(y)[x]
}

const RED: u8 = 82;
const BLUE: u8 = 41;

#[test]
fn jpeg_and_png_become_even_pictures() {
    for (format, file) in [("JPEG", jpeg(201, 151)), ("PNG", rgb_png(201, 151))] {
        let photo = read(&file, &PhotoLimits::default()).expect("a photo");
        assert_eq!(photo.as_picture().size(), Size { width: 200, height: 150 });
        assert!(luma_at(&photo, 20, 70).abs_diff(RED) <= 2, "{format}: {}", luma_at(&photo, 20, 70));
        assert!(luma_at(&photo, 180, 70).abs_diff(BLUE) <= 2, "{format}: {}", luma_at(&photo, 180, 70));
    }
}

#[test]
fn photos_are_turned_by_their_exif_orientation() {
    let stored = jpeg(200, 120);
    // 6: the camera was held upright, and the stored left side is the top.
    let photo = read(&with_orientation(&stored, 6), &PhotoLimits::default()).expect("a photo");
    assert_eq!(photo.as_picture().size(), Size { width: 120, height: 200 });
    assert!(luma_at(&photo, 60, 20).abs_diff(RED) <= 2);
    assert!(luma_at(&photo, 60, 180).abs_diff(BLUE) <= 2);
    // 3: upside down.
    let photo = read(&with_orientation(&stored, 3), &PhotoLimits::default()).expect("a photo");
    assert!(luma_at(&photo, 20, 60).abs_diff(BLUE) <= 2);
}

#[test]
fn limits_are_checked_before_decoding() {
    let file = rgb_png(200, 150);
    let refusal = |limits: PhotoLimits| read(&file, &limits).expect_err("beyond a limit").to_string();
    let default = PhotoLimits::default();
    assert_eq!(
        refusal(PhotoLimits { max_bytes: 10, ..default }),
        "the photo's file is longer than the 10 bytes allowed"
    );
    assert_eq!(
        refusal(PhotoLimits { max_pixels: 29_999, ..default }),
        "the photo has 200×150 pixels, more than the 29999 allowed"
    );
    assert_eq!(
        refusal(PhotoLimits { min_side: 151, ..default }),
        "the photo has 200×150 pixels, expected 151 on each side at least"
    );
    // A header that claims 4 billion pixels, and no data.
    let mut bomb = rgb_png(200, 150);
    bomb[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let checksum = crc32(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&checksum.to_be_bytes());
    assert!(matches!(read(&bomb, &default), Err(PhotoError::TooLarge { .. })));
    let mut bomb = jpeg(200, 150);
    let frame = bomb.windows(2).position(|marker| marker == b"\xff\xc0").expect("a frame header");
    bomb[frame + 5..frame + 9].fill(0xff);
    assert!(matches!(read(&bomb, &default), Err(PhotoError::TooLarge { .. })));
}

#[test]
fn other_files_are_refused() {
    let default = PhotoLimits::default();
    assert!(matches!(read(b"hello", &default), Err(PhotoError::UnknownFormat)));
    assert!(matches!(read(&rgb_png(200, 150)[..60], &default), Err(PhotoError::Undecodable(_))));
    let nowhere = tempfile::tempdir().expect("a folder").path().join("none");
    assert!(matches!(read_photo(&nowhere, &default), Err(PhotoError::Unreadable(_))));
}

#[test]
fn a_truncated_file_is_refused() {
    for file in [jpeg(200, 150), rgb_png(200, 150)] {
        for end in [file.len() * 9 / 10, file.len() - 20, file.len() - 2, file.len() - 1] {
            let error = read(&file[..end], &PhotoLimits::default()).map(drop).expect_err("a part is missing");
            let start = "the photo can't be decoded, it may be truncated or damaged: ";
            assert!(error.to_string().starts_with(start), "{error}");
        }
    }
    assert!(matches!(read(&jpeg(200, 150)[..30], &PhotoLimits::default()), Err(PhotoError::UnknownFormat)));
}

#[test]
fn a_jpeg_that_ends_early_or_skips_is_refused() {
    let default = PhotoLimits::default();
    for (number, file) in arrangements(&textured(160, 128, 7), 160).into_iter().enumerate() {
        read(&file, &default).unwrap_or_else(|error| panic!("arrangement {number}: {error}"));
        let data = file.windows(2).position(|marker| marker == b"\xff\xda").expect("a scan") + 14;
        for end in (data..file.len()).step_by(41).chain([file.len() - 2, file.len() - 1]) {
            let cut = read(&file[..end], &default).map(drop);
            assert!(matches!(cut, Err(PhotoError::Undecodable(_))), "arrangement {number}, cut at {end}: {cut:?}");
            // As many programs repair a file that is cut short. A progressive file that ends
            // between two scans has all of its picture, with less detail.
            let closed = read(&[&file[..end], b"\xff\xd9"].concat(), &default).map(drop);
            assert!(number > 1 || end > file.len() - 3 || closed.is_err(), "arrangement {number}, closed at {end}");
        }
        // A block of the middle is lost, or zeroed, as a broken disk leaves it.
        for at in (data + 100..file.len() - 700).step_by(613) {
            let lost = [&file[..at], &file[at + 512..]].concat();
            let zeroed = [&file[..at], &[0; 512], &file[at + 512..]].concat();
            for (what, damaged) in [("lost", lost), ("zeroed", zeroed)] {
                assert!(read(&damaged, &default).is_err(), "arrangement {number}, 512 bytes {what} at {at}");
            }
        }
    }
}

#[test]
fn a_jpeg_in_colours_of_printing_is_refused_by_name() {
    let mut file = Vec::new();
    Encoder::new(&mut file, 90).encode(&[90; 160 * 128 * 4], 160, 128, ColorType::Cmyk).expect("encoded");
    let error = read(&file, &PhotoLimits::default()).expect_err("CMYK").to_string();
    assert!(error.contains("CMYK") && error.contains("save it as JPEG in RGB"), "{error}");
}

/// Phones add a video or a second picture behind the photo.
#[test]
fn what_follows_a_photo_in_its_file_is_left_alone() {
    for file in [jpeg(200, 150), encoded(&textured(160, 128, 3), 160, true, None)] {
        let file = [file.as_slice(), b"\0\0\0\x18ftypmp42", &[0; 3000]].concat();
        read(&file, &PhotoLimits::default()).expect("a photo");
    }
}

#[test]
fn a_png_with_a_wrong_checksum_is_refused() {
    let file = png(160, 128, png::ColorType::Rgb, &textured(160, 128, 5));
    for at in [40, file.len() / 2, file.len() - 20, file.len() - 3] {
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        assert!(matches!(read(&damaged, &PhotoLimits::default()), Err(PhotoError::Undecodable(_))), "at {at}");
    }
}

#[test]
fn png_files_of_each_kind_are_read() {
    let grey = png(200, 150, png::ColorType::Grayscale, &[126; 200 * 150]);
    let with_alpha = png(200, 150, png::ColorType::GrayscaleAlpha, &[126, 9].repeat(200 * 150));
    let rgba = png(200, 150, png::ColorType::Rgba, &[126, 126, 126, 9].repeat(200 * 150));
    for file in [grey, with_alpha, rgba] {
        let photo = read(&file, &PhotoLimits::default()).expect("a photo");
        assert!(photo.bgr.iter().all(|sample| *sample == 126), "alpha doesn't change colours");
    }
}

const LOSSY: &[u8] = include_bytes!("../../../golden/photo-lossy.webp");
const LOSSLESS: &[u8] = include_bytes!("../../../golden/photo-lossless.webp");

/// The hashes are those of libwebp's pixels. The lossy file is stored on its side (Exif orientation
/// 6) with odd sides; the golden results' README says how both were made.
#[test]
fn webp_files_have_the_pixels_that_libwebp_gives() {
    for (file, size, expected) in [
        (LOSSY, (168, 150), "5887c3198c5c7902b37fb09cec2fb98a2d217488f41e9a98b57fe6fbfb767420"),
        (LOSSLESS, (120, 134), "10ba8c263e9fbc2eb62666def96fc0e8fb1145608289897a71ab5701d4596b4a"),
    ] {
        let photo = read(file, &PhotoLimits::default()).expect("a photo");
        assert_eq!(photo.as_picture().size(), Size { width: size.0, height: size.1 });
        assert_eq!(base16ct::lower::encode_string(&Sha256::digest(&photo.bgr)), expected);
    }
}

#[test]
fn a_webp_file_that_is_cut_short_or_claims_too_much_is_refused() {
    let default = PhotoLimits::default();
    for file in [LOSSY, LOSSLESS] {
        for end in (12..file.len()).step_by(29).chain([file.len() - 1]) {
            let cut = read(&file[..end], &default).map(drop);
            assert!(matches!(cut, Err(PhotoError::Undecodable(_))), "cut at {end}: {cut:?}");
        }
        let small = PhotoLimits { max_pixels: 1000, ..default };
        assert!(matches!(read(file, &small), Err(PhotoError::TooLarge { .. })));
    }
    // A canvas of 16777216×16777216 pixels, and no data.
    let mut bomb = b"RIFF\x12\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
    bomb.extend([0xff; 6]);
    assert!(read(&bomb, &default).is_err());
}

/// ISO/IEC 15948, annex D.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

proptest::proptest! {
    #[test]
    fn no_bytes_hang_or_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let limits = PhotoLimits { max_pixels: 100_000, ..PhotoLimits::default() };
        for magic in [b"".as_slice(), b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBP", b"RIFF\x40\0\0\0WEBPVP8L"] {
            let _ = decode(&[magic, &bytes].concat(), &limits);
        }
    }

    #[test]
    fn a_jpeg_is_refused_wherever_it_is_cut(seed: u32, columns in 112u16..200, part in 0.0..1.0) {
        for file in arrangements(&textured(columns.into(), 112, seed), columns) {
            let end = (file.len() as f64 * part) as usize;
            proptest::prop_assert!(read(&file[..end], &PhotoLimits::default()).is_err(), "cut at {end} of {}", file.len());
        }
    }
}
