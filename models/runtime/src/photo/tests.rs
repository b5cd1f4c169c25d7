use opencv::core::{CV_8UC3, Scalar, Vector, VectorToVec};

use super::*;

// Left half red, right half blue.
fn encoded(extension: &str, columns: i32, rows: i32) -> Vec<u8> {
    let mut bgr =
        Mat::new_rows_cols_with_default(rows, columns, CV_8UC3, Scalar::new(0.0, 0.0, 255.0, 0.0)).expect("a picture");
    let right = Rect::new(columns / 2, 0, columns - columns / 2, rows);
    imgproc::rectangle(&mut bgr, right, Scalar::new(255.0, 0.0, 0.0, 0.0), imgproc::FILLED, imgproc::LINE_8, 0)
        .expect("drawn");
    let mut file = Vector::new();
    assert!(imgcodecs::imencode(extension, &bgr, &mut file, &Vector::new()).expect("encoded"));
    file.to_vec()
}

fn read(file: &[u8], limits: &PhotoLimits) -> Result<Photo, PhotoError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("photo");
    std::fs::write(&path, file).expect("written");
    read_photo(&path, limits)
}

// An Exif segment (APP1) with nothing but an orientation, put where cameras put it.
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
    for extension in [".jpg", ".png"] {
        let photo = read(&encoded(extension, 201, 151), &PhotoLimits::default()).expect("a photo");
        assert_eq!(photo.as_picture().size(), Size { width: 200, height: 150 });
        assert!(luma_at(&photo, 20, 70).abs_diff(RED) <= 2, "{extension}: {}", luma_at(&photo, 20, 70));
        assert!(luma_at(&photo, 180, 70).abs_diff(BLUE) <= 2, "{extension}: {}", luma_at(&photo, 180, 70));
    }
}

#[test]
fn a_photo_is_turned_as_its_exif_says() {
    let stored = encoded(".jpg", 200, 120);
    // 6: the camera was held upright; what is stored as the left side is the top.
    let photo = read(&with_orientation(&stored, 6), &PhotoLimits::default()).expect("a photo");
    assert_eq!(photo.as_picture().size(), Size { width: 120, height: 200 });
    assert!(luma_at(&photo, 60, 20).abs_diff(RED) <= 2);
    assert!(luma_at(&photo, 60, 180).abs_diff(BLUE) <= 2);
    // 3: upside down.
    let photo = read(&with_orientation(&stored, 3), &PhotoLimits::default()).expect("a photo");
    assert!(luma_at(&photo, 20, 60).abs_diff(BLUE) <= 2);
}

#[test]
fn limits_are_held_before_decoding() {
    let file = encoded(".png", 200, 150);
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
    // A header that claims 4 billion pixels, and nothing behind it.
    let bomb = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xff\xff\0\0\xff\xff\x08";
    assert!(matches!(read(bomb, &default), Err(PhotoError::TooLarge { .. })));
}

#[test]
fn what_is_no_photo_is_refused() {
    let default = PhotoLimits::default();
    assert!(matches!(read(b"hello", &default), Err(PhotoError::UnknownFormat)));
    assert!(matches!(read(&encoded(".png", 200, 150)[..60], &default), Err(PhotoError::Undecodable(_))));
    let nowhere = tempfile::tempdir().expect("a folder").path().join("none");
    assert!(matches!(read_photo(&nowhere, &default), Err(PhotoError::Unreadable(_))));
}
