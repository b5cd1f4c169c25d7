use jpeg_encoder::{ColorType, Encoder};

use super::*;

/// Left half red, right half blue, as RGB.
fn pixels(columns: usize, rows: usize) -> Vec<u8> {
    let pixel = |i: usize| if i % columns < columns / 2 { [255, 0, 0] } else { [0, 0, 255] };
    (0..columns * rows).flat_map(pixel).collect()
}

fn jpeg(columns: u16, rows: u16) -> Vec<u8> {
    let mut file = Vec::new();
    let pixels = pixels(columns.into(), rows.into());
    Encoder::new(&mut file, 95).encode(&pixels, columns, rows, ColorType::Rgb).expect("encoded");
    file
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
        for end in [file.len() * 9 / 10, file.len() - 20] {
            let error = read(&file[..end], &PhotoLimits::default()).map(drop).expect_err("a part is missing");
            let start = "the photo can't be decoded, it may be truncated or damaged: ";
            assert!(error.to_string().starts_with(start), "{error}");
        }
    }
    assert!(matches!(read(&jpeg(200, 150)[..30], &PhotoLimits::default()), Err(PhotoError::UnknownFormat)));
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
        for magic in [b"".as_slice(), b"\xff\xd8", b"\x89PNG\r\n\x1a\n"] {
            let _ = decode(&[magic, &bytes].concat(), &limits);
        }
    }
}
