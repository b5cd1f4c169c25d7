//! Cuts a person out of a photo, so that the picture shows the gate around them instead of the
//! photo's room.

use opencv::core::{
    self, BORDER_DEFAULT, CV_8UC1, Mat, MatTraitConst, MatTraitConstManual, MatTraitManual, Point, Scalar, Size,
};
use opencv::imgproc::{self, GC_BGD, GC_FGD, GC_PR_BGD, GC_PR_FGD};

use crate::{
    error::ClipError,
    person::FaceBox,
    picture::{Picture, Placement, Plane},
};

/// Height of the face at the working resolution. A higher one takes seconds and does not improve
/// the result.
const FACE_PX: f64 = 96.0;
const ROUNDS: i32 = 5;
/// Width of the soft edge: standard deviation of a Gaussian, in pixels of the working resolution.
const SEAM_PX: f64 = 1.5;
/// Part of the clips' fingerprint: raised when the cutout changes.
pub(crate) const CUTTING: u32 = 1;

/// The share of the person in each pixel of a photo, by GrabCut (Rother, Kolmogorov, Blake:
/// "GrabCut", 2004). The face's box gives the likely position of head and shoulders. The same photo
/// always gives the same mask.
pub(crate) fn person_mask(photo: &Picture, face: FaceBox) -> Result<Picture, ClipError> {
    let scale = mask_scale(face);
    let side = |pixels: usize| ((pixels as f64 * scale / 2.0).round() as usize).max(4) * 2;
    let mut small = Picture::plain(side(photo.width()), side(photo.height()), [16, 128, 128]);
    small.draw(photo, Placement { left_in_frame: 0.0, top_in_frame: 0.0, scale });
    let cover = cut(&small, face, scale).map_err(|error| ClipError::Failed {
        what: "cutting a person out of their photo".to_owned(),
        element: "OpenCV".to_owned(),
        reason: error.message,
    })?;
    Ok(Picture::of_cover(cover))
}

/// Pixels of the mask per pixel of the photo.
pub(crate) fn mask_scale(face: FaceBox) -> f64 {
    FACE_PX / face.3
}

fn cut(photo: &Picture, FaceBox(x, y, width, height): FaceBox, scale: f64) -> opencv::Result<Plane> {
    let (columns, rows) = (photo.width() as i32, photo.height() as i32);
    let planes = photo.planes.iter().flat_map(|plane| &plane.bytes).copied().collect::<Vec<_>>();
    let yuv = Mat::new_rows_cols_with_bytes::<u8>(rows / 2 * 3, columns, &planes)?;
    let mut bgr = Mat::default();
    imgproc::cvt_color_def(&yuv, &mut bgr, imgproc::COLOR_YUV2BGR_I420)?;

    let mut mask = Mat::new_rows_cols_with_default(rows, columns, CV_8UC1, Scalar::from(f64::from(GC_BGD)))?;
    // In shares of the face's box, from its upper left corner.
    let at = |across: f64, down: f64| {
        Point::new(((x + across * width) * scale) as i32, ((y + down * height) * scale) as i32)
    };
    let sized = |across: f64, down: f64| Size::new((across * width * scale) as i32, (down * height * scale) as i32);
    fill_block(&mut mask, Point::new(0, at(0.0, 0.95).y), Point::new(columns, rows), GC_PR_BGD)?;
    fill_oval(&mut mask, at(0.5, 0.42), sized(1.1, 0.95), GC_PR_BGD)?;
    fill_oval(&mut mask, at(0.5, 0.42), sized(0.72, 0.75), GC_PR_FGD)?;
    fill_block(&mut mask, at(-0.9, 1.3), Point::new(at(1.9, 0.0).x, rows), GC_PR_FGD)?;
    fill_oval(&mut mask, at(0.5, 0.5), sized(0.45, 0.52), GC_FGD)?;
    fill_block(&mut mask, at(0.2, 1.0), at(0.8, 2.0), GC_FGD)?;

    // The initial clusters are random.
    core::set_rng_seed(0)?;
    let (mut outside, mut inside) = (Mat::default(), Mat::default());
    let whole = core::Rect::default();
    imgproc::grab_cut(&bgr, &mut mask, whole, &mut outside, &mut inside, ROUNDS, imgproc::GC_INIT_WITH_MASK)?;
    // Both kinds of foreground have the lowest bit set; both kinds of background do not.
    mask.data_bytes_mut()?.iter_mut().for_each(|pixel| *pixel &= 1);
    person_at(&mut mask, at(0.5, 0.5), ((0.12 * width * scale) as i32) | 1)?;
    Ok(Plane { width: photo.width(), height: photo.height(), bytes: mask.data_bytes()?.to_vec() })
}

fn fill_block(mask: &mut Mat, from: Point, to: Point, with: i32) -> opencv::Result<()> {
    let with = Scalar::from(f64::from(with));
    imgproc::rectangle_points(mask, from, to, with, imgproc::FILLED, imgproc::LINE_8, 0)
}

fn fill_oval(mask: &mut Mat, centre: Point, half_axes: Size, with: i32) -> opencv::Result<()> {
    let with = Scalar::from(f64::from(with));
    imgproc::ellipse(mask, centre, half_axes, 0.0, 0.0, 360.0, with, imgproc::FILLED, imgproc::LINE_8, 0)
}

/// Keeps the region that is connected to the face, removes thin parts and holes, and softens the
/// edge.
fn person_at(mask: &mut Mat, face: Point, thread: i32) -> opencv::Result<()> {
    let brush = imgproc::get_structuring_element_def(imgproc::MORPH_ELLIPSE, Size::new(thread, thread))?;
    let mut opened = Mat::default();
    imgproc::morphology_ex_def(&*mask, &mut opened, imgproc::MORPH_OPEN, &brush)?;
    let mut parts = Mat::default();
    imgproc::connected_components_def(&opened, &mut parts)?;
    let person = *parts.at_pt::<i32>(face)?;
    for (pixel, part) in opened.data_bytes_mut()?.iter_mut().zip(parts.data_typed::<i32>()?) {
        *pixel = if *part == person { 255 } else { 0 };
    }
    let mut closed = Mat::default();
    imgproc::morphology_ex_def(&opened, &mut closed, imgproc::MORPH_CLOSE, &brush)?;
    imgproc::gaussian_blur(&closed, mask, Size::default(), SEAM_PX, SEAM_PX, BORDER_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACE: FaceBox = FaceBox(160.0, 80.0, 80.0, 100.0);

    /// A person in light clothes in front of a dark green room: an oval head on a block of
    /// shoulders.
    fn photo() -> Picture {
        let mut photo = Picture::plain(400, 500, [60, 110, 110]);
        let [luma, u, v] = &mut photo.planes;
        for y in 0..500_usize {
            for x in 0..400_usize {
                let (across, down) = ((x as f64 - 200.0) / 55.0, (y as f64 - 130.0) / 75.0);
                let head = across * across + down * down < 1.0;
                let body = y > 200 && x.abs_diff(200) < 110 || y > 170 && x.abs_diff(200) < 30;
                if head || body {
                    luma.bytes[y * 400 + x] = 180;
                    u.bytes[y / 2 * 200 + x / 2] = 120;
                    v.bytes[y / 2 * 200 + x / 2] = 140;
                }
            }
        }
        photo
    }

    fn cover_at(cover: &Picture, x: f64, y: f64) -> u8 {
        let scale = mask_scale(FACE);
        cover.planes[0].bytes[(y * scale) as usize * cover.width() + (x * scale) as usize]
    }

    #[test]
    fn head_and_shoulders_are_cut_out_and_the_room_is_not() {
        let mask = person_mask(&photo(), FACE).expect("cut");
        for (x, y) in [(200.0, 130.0), (200.0, 70.0), (200.0, 300.0), (110.0, 400.0), (290.0, 490.0)] {
            assert!(cover_at(&mask, x, y) > 240, "{x}, {y}: {}", cover_at(&mask, x, y));
        }
        for (x, y) in [(20.0, 20.0), (200.0, 30.0), (120.0, 150.0), (280.0, 150.0), (60.0, 300.0), (390.0, 490.0)] {
            assert!(cover_at(&mask, x, y) < 15, "{x}, {y}: {}", cover_at(&mask, x, y));
        }
    }

    #[test]
    fn a_photo_is_always_cut_in_the_same_way() {
        let [a, b] = [(); 2].map(|()| person_mask(&photo(), FACE).expect("cut"));
        assert_eq!(a, b);
    }
}
