use gatehouse_core::frame::PictureBuffer;
use gatehouse_picture::{ColourSpace, Matrix, Range};

use super::*;
use crate::mapped::MappedPicture;

/// A layout, and a picture of it whose bytes are all the same.
fn plain(format: &str, width: i32, height: i32, mode: &str, byte: u8) -> (PictureLayout, gst::Buffer) {
    gst::init().expect("GStreamer starts");
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", format)
        .field("width", width)
        .field("height", height)
        .field("framerate", gst::Fraction::new(25, 1))
        .field("interlace-mode", mode)
        .field("colorimetry", "1:0:0:0")
        .build();
    let layout = PictureLayout::of(&caps).expect("raw video");
    let buffer = gst::Buffer::from_mut_slice(vec![byte; layout.info.size()]);
    (layout, buffer)
}

fn convert(layout: &PictureLayout, buffer: gst::Buffer) -> MappedPicture {
    let conversion = Conversion::of(layout).expect("a conversion");
    let buffer = conversion.apply(buffer).expect("converted");
    MappedPicture::new(buffer, conversion.layout()).expect("a picture")
}

#[test]
fn usual_formats_are_not_touched() {
    for format in ["I420", "NV12"] {
        let (layout, buffer) = plain(format, 64, 48, "progressive", 90);
        let conversion = Conversion::of(&layout).expect("a conversion");
        let at = |buffer: &gst::Buffer| buffer.as_ptr();
        let before = at(&buffer);
        assert_eq!(at(&conversion.apply(buffer).expect("converted")), before, "{format}");
    }
}

#[test]
fn other_formats_keep_their_luma_and_colour_space() {
    // 10 and 12 bits: two bytes of 1 are 257.
    for (format, byte, luma) in [
        ("GRAY8", 90, 90),
        ("Y42B", 90, 90),
        ("Y444", 90, 90),
        ("NV16", 90, 90),
        ("YV12", 90, 90),
        ("YUY2", 90, 90),
        ("I420_10LE", 1, 64),
        ("I422_10LE", 1, 64),
        ("Y444_10LE", 1, 64),
        ("I420_12LE", 1, 16),
    ] {
        for (width, height) in [(64, 48), (641, 479), (2, 2), (3, 1079)] {
            let (layout, buffer) = plain(format, width, height, "progressive", byte);
            let picture = convert(&layout, buffer);
            let picture = picture.picture();
            let even = |side: i32| side as usize & !1;
            assert_eq!((picture.size().width, picture.size().height), (even(width), even(height)), "{format}");
            let matrix = if height > 576 { Matrix::Bt709 } else { Matrix::Bt601 };
            assert_eq!(picture.colour(), ColourSpace { matrix, range: Range::Full }, "{format}");
            for row in [0, even(height) - 1] {
                let row = picture.luma().row(row);
                assert!(row.iter().all(|v| v.abs_diff(luma) <= 1), "{format} {width}×{height}: {}", row[0]);
            }
            if format == "GRAY8" {
                assert!(picture.chroma().iter().all(|plane| plane.row(0).iter().all(|v| *v == 128)));
            }
        }
    }
}

#[test]
fn pixels_far_from_square_become_square() {
    for (size, ratio, expected) in [
        ((704, 576), (12, 11), (704, 576)),
        ((704, 480), (10, 11), (704, 480)),
        ((1920, 1080), (1, 1), (1920, 1080)),
        // A CIF encoder of every second row, and HD cameras that save columns.
        ((704, 288), (6, 11), (704, 528)),
        ((1440, 1080), (4, 3), (1920, 1080)),
        ((960, 1080), (2, 1), (1920, 1080)),
        ((704, 576), (16, 11), (1024, 576)),
        // Mistakes.
        ((640, 480), (640, 1), (640, 480)),
    ] {
        for format in ["I420", "NV12", "Y42B"] {
            let (plain, buffer) = plain(format, size.0, size.1, "progressive", 90);
            let mut caps = plain.info.to_caps().expect("caps");
            let ratio = gst::Fraction::new(ratio.0, ratio.1);
            caps.make_mut().set("pixel-aspect-ratio", ratio);
            let layout = PictureLayout::of(&caps).expect("raw video");
            let picture = convert(&layout, buffer);
            let picture = picture.picture();
            assert_eq!((picture.size().width, picture.size().height), expected, "{format} {size:?} {ratio:?}");
            assert!(picture.luma().row(expected.1 - 1).iter().all(|v| *v == 90), "{format} {size:?}");
        }
    }
}

#[test]
fn only_interlaced_pictures_lose_their_combs() {
    for (mode, flagged, combed) in
        [("interleaved", false, false), ("mixed", true, false), ("mixed", false, true), ("progressive", false, true)]
    {
        for format in ["I420", "NV12", "Y42B"] {
            let (layout, mut buffer) = plain(format, 64, 48, mode, 100);
            let stride = layout.info.stride()[0] as usize;
            {
                let buffer = buffer.get_mut().expect("our own");
                if flagged {
                    buffer.set_video_flags(gst_video::VideoBufferFlags::INTERLACED);
                }
                let mut data = buffer.map_writable().expect("our own");
                for row in (1..48).step_by(2) {
                    data[row * stride + 10..row * stride + 20].fill(200);
                }
            }
            let picture = convert(&layout, buffer);
            let row = picture.picture().luma().row(7)[15];
            assert_eq!(row, if combed { 200 } else { 100 }, "{format} {mode}");
        }
    }
}
