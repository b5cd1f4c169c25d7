use gatehouse_picture::testing::TestPicture;
use ndarray::array;

use super::*;
use crate::manifest::Manifest;
use crate::manifest::tests::SMALL;

// BT.601 limited range, from the standard's table for 100 % colour bars (8 bits).
const RED: [u8; 3] = [82, 90, 240];
const GREEN: [u8; 3] = [145, 54, 34];
const BLUE: [u8; 3] = [41, 240, 110];
const GREY: [u8; 3] = [126, 128, 128];
const WHITE: [u8; 3] = [235, 128, 128];

const FORMATS: [PixelFormat; 2] = [PixelFormat::I420, PixelFormat::Nv12];

struct Plain {
    size: Size,
    format: PixelFormat,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
    uv: Vec<u8>,
}

impl Plain {
    // Rows have padding of another colour, so that reading it would show.
    fn new(size: Size, format: PixelFormat, [y, u, v]: [u8; 3]) -> Self {
        let plane = |samples: &[u8], repeat: usize, rows: usize| {
            let mut row = samples.repeat(repeat);
            row.extend([77; PADDING]);
            row.repeat(rows)
        };
        let (w, h) = (size.width, size.height);
        Self {
            size,
            format,
            y: plane(&[y], w, h),
            u: plane(&[u], w / 2, h / 2),
            v: plane(&[v], w / 2, h / 2),
            uv: plane(&[u, v], w / 2, h / 2),
        }
    }

    fn picture(&self) -> YuvPicture<'_> {
        let (full, half) = (self.size.width + PADDING, self.size.width / 2 + PADDING);
        match self.format {
            PixelFormat::I420 => YuvPicture::i420(self.size, [&self.y, &self.u, &self.v], [full, half, half]),
            PixelFormat::Nv12 => YuvPicture::nv12(self.size, [&self.y, &self.uv], [full, full]),
        }
        .expect("a picture")
    }
}

const PADDING: usize = 6;

#[test]
fn colours_come_in_the_requested_order() {
    // 66 columns in 34 rows: the quarter of chroma that ends in the middle of a row of the packed
    // buffer.
    let target = Size { width: 66, height: 34 };
    for format in FORMATS {
        for (yuv, rgb) in
            [(RED, [255, 0, 0]), (GREEN, [0, 255, 0]), (BLUE, [0, 0, 255]), (GREY, [128; 3]), (WHITE, [255; 3])]
        {
            let plain = Plain::new(Size { width: 90, height: 70 }, format, yuv);
            for (order, wanted) in [(ColourOrder::Rgb, rgb), (ColourOrder::Bgr, [rgb[2], rgb[1], rgb[0]])] {
                let mut resizer = Resizer::default();
                let small = resizer.resize(&plain.picture(), target, order).expect("shrunk");
                assert_eq!(small.dim(), (34, 66, 3));
                for pixel in small.rows() {
                    let off = pixel.iter().zip(wanted).map(|(got, wanted)| got.abs_diff(wanted)).max();
                    // A table of 8-bit values rounds by one, conversion by another.
                    assert!(off <= Some(2), "{format:?} {order:?} {yuv:?}: got {pixel}, expected {wanted:?}");
                }
            }
        }
    }
}

#[test]
fn i420_and_nv12_give_the_same_picture() {
    let size = Size { width: 64, height: 48 };
    let y = (0..64 * 48).map(|i| (16 + i * 7 % 200) as u8).collect();
    let u = (0..32 * 24).map(|i| (40 + i * 3 % 170) as u8).collect();
    let v = (0..32 * 24).map(|i| (230 - i * 5 % 190) as u8).collect();
    let picture = TestPicture::new(size, y, [u, v]);
    let target = Size { width: 40, height: 30 };
    let (mut a, mut b) = (Resizer::default(), Resizer::default());
    let a = a.resize(&picture.i420(), target, ColourOrder::Bgr).expect("shrunk");
    let b = b.resize(&picture.nv12(), target, ColourOrder::Bgr).expect("shrunk");
    assert_eq!(a, b);
}

#[test]
fn planes_are_normalised_and_the_rest_is_black() {
    let packed = array![[[10u8, 20, 30], [40, 50, 60]]];
    let with = Normalisation { mean: [10.0, 0.0, 30.0], std: [2.0, 1.0, 10.0] };
    let mut tensor = ndarray::Array3::from_elem((3, 2, 3), 99.0);
    write_planar(packed.view(), with, tensor.view_mut());
    let black = [-5.0, 0.0, -3.0];
    assert_eq!(
        tensor,
        array![
            [[0.0, 15.0, black[0]], [black[0], black[0], black[0]]],
            [[20.0, 50.0, black[1]], [black[1], black[1], black[1]]],
            [[0.0, 3.0, black[2]], [black[2], black[2], black[2]]],
        ]
    );
}

#[test]
fn pictures_are_batched_by_the_size_of_their_tensors() {
    let manifest = Manifest::parse(SMALL, "small.toml").expect("a manifest");
    let mut preparation = Preparation::new(&manifest.inputs[0], Fit::Shrink);
    let wide = Plain::new(Size { width: 1280, height: 720 }, PixelFormat::I420, WHITE);
    let tall = Plain::new(Size { width: 90, height: 160 }, PixelFormat::Nv12, RED);
    let places = [&wide, &tall, &wide].map(|plain| preparation.place(plain.size, None));
    let mut batch = Vec::new();
    assert!(preparation.batch_from(0, &places, &mut batch) && batch == [0, 2]);
    assert!(preparation.batch_from(1, &places, &mut batch) && batch == [1]);
    assert!(!preparation.batch_from(2, &places, &mut batch), "it goes with the first");
    assert_eq!(places[0].in_tensor(), Size { width: 640, height: 360 });
    let mut fill = |plain: &Plain, place, size| {
        assert_eq!(preparation.tensor_size(place), size);
        let mut tensor = ndarray::Array3::from_elem((3, size.height, size.width), 99.0);
        preparation.fill(&plain.picture(), place, tensor.view_mut()).expect("filled");
        tensor
    };
    let tensor = fill(&wide, &places[0], Size { width: 640, height: 384 });
    assert_eq!(tensor[[0, 359, 639]], 255.0);
    assert_eq!(tensor[[0, 360, 0]], 0.0);

    let tensor = fill(&tall, &places[1], Size { width: 96, height: 160 });
    // Blue, green and red of a red picture, and black beside it.
    assert!(tensor[[0, 0, 0]] < 3.0 && tensor[[1, 0, 0]] < 3.0 && tensor[[2, 0, 0]] > 252.0);
    assert_eq!(tensor[[2, 0, 90]], 0.0);
}
