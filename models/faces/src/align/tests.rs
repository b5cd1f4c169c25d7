use gatehouse_picture::testing::TestPicture;
use gatehouse_picture::{ColourSpace, Matrix, Range, Size};
use proptest::prelude::*;

use super::*;

fn transform(scale: f64, angle: f64, tx: f64, ty: f64) -> Similarity {
    Similarity { a: scale * angle.cos(), b: scale * angle.sin(), tx, ty }
}

proptest! {
    #[test]
    fn a_known_transform_is_recovered(
        scale in 0.05f64..20.0, angle in -3.1f64..3.1, tx in -500f64..500.0, ty in -500f64..500.0,
    ) {
        let known = transform(scale, angle, tx, ty);
        let moved = TEMPLATE_IN_CROP.map(|point| known.apply(point));
        let found = Similarity::fit(&TEMPLATE_IN_CROP, &moved).expect("a face");
        for (point, wanted) in TEMPLATE_IN_CROP.iter().zip(moved) {
            prop_assert!(found.apply(*point).distance(wanted) < 1e-2);
        }
        prop_assert!((found.a - known.a).abs() < 1e-4 * scale.max(1.0));
        prop_assert!((found.b - known.b).abs() < 1e-4 * scale.max(1.0));
    }

    #[test]
    fn no_small_change_fits_noisy_landmarks_better(
        noise in prop::array::uniform10(-5f32..5.0), da in -0.02f64..0.02, db in -0.02f64..0.02, dx in -2f64..2.0,
    ) {
        let noisy: [Point; 5] = std::array::from_fn(|i| Point {
            x: 3.0 * TEMPLATE_IN_CROP[i].x + noise[2 * i],
            y: 3.0 * TEMPLATE_IN_CROP[i].y + noise[2 * i + 1],
        });
        let error = |t: &Similarity| -> f32 {
            noisy.iter().zip(TEMPLATE_IN_CROP).map(|(p, q)| t.apply(*p).distance(q).powi(2)).sum()
        };
        let best = Similarity::fit(&noisy, &TEMPLATE_IN_CROP).expect("a face");
        let other = Similarity { a: best.a + da, b: best.b + db, tx: best.tx + dx, ty: best.ty };
        prop_assert!(error(&best) <= error(&other) + 1e-3);
    }
}

#[test]
fn landmarks_in_one_place_or_not_finite_are_refused() {
    let point = Point { x: 10.0, y: 20.0 };
    assert_eq!(Similarity::fit(&[point; 5], &TEMPLATE_IN_CROP), None);
    let mut nan = TEMPLATE_IN_CROP;
    nan[2].x = f32::NAN;
    assert_eq!(Similarity::fit(&nan, &TEMPLATE_IN_CROP), None);
}

#[test]
fn the_table_of_colour_bars_converts() {
    for (yuv, rgb) in [
        ([16, 128, 128], [0, 0, 0]),
        ([235, 128, 128], [255, 255, 255]),
        ([82, 90, 240], [255, 0, 0]),
        ([145, 54, 34], [0, 255, 0]),
        ([41, 240, 110], [0, 0, 255]),
    ] {
        let [y, u, v] = yuv;
        let got = ColourSpace::BT601.to_rgb().apply(y, u, v);
        let off = got.iter().zip(rgb).map(|(got, wanted)| got.abs_diff(wanted)).max();
        // The table is rounded to 8 bits.
        assert!(off <= Some(2), "{yuv:?} gave {got:?}, expected {rgb:?}");
    }
}

// A grey picture with a red square of 8 × 8 pixels around each landmark.
fn marked(size: Size, landmarks: &[Point; 5]) -> TestPicture {
    let near = |x: usize, y: usize, scale: f32| {
        landmarks
            .iter()
            .any(|p| (p.x / scale - x as f32).abs() < 4.0 / scale && (p.y / scale - y as f32).abs() < 4.0 / scale)
    };
    let plane = |width: usize, height: usize, scale: f32, marked: u8, plain: u8| {
        (0..width * height).map(|i| if near(i % width, i / width, scale) { marked } else { plain }).collect()
    };
    let (w, h) = (size.width, size.height);
    let chroma = [plane(w / 2, h / 2, 2.0, 90, 128), plane(w / 2, h / 2, 2.0, 240, 128)];
    TestPicture::new(size, plane(w, h, 1.0, 82, 126), chroma)
}

#[test]
fn landmarks_land_on_the_template_in_their_colours() {
    // Rotated by 0.3, three times the template's size.
    let landmarks = TEMPLATE_IN_CROP.map(|point| transform(3.0, 0.3, 150.0, 20.0).apply(point));
    let picture = marked(Size { width: 600, height: 480 }, &landmarks);
    let planar = align_face(&picture.i420(), &landmarks).expect("a face");
    let interleaved = align_face(&picture.nv12(), &landmarks).expect("a face");
    for point in TEMPLATE_IN_CROP {
        let (x, y) = (point.x.round() as usize, point.y.round() as usize);
        let [r, g, b] = [0, 1, 2].map(|channel| planar.rgb()[[channel, y, x]]);
        assert!(r > 200 && g < 60 && b < 60, "({r}, {g}, {b}) at {point:?}, expected red");
        let [r, g, b] = [0, 1, 2].map(|channel| planar.rgb()[[channel, y - 6, x]]);
        assert!(r.abs_diff(g) < 4 && g.abs_diff(b) < 4, "({r}, {g}, {b}) above {point:?}, expected grey");
    }
    assert_eq!(planar.rgb(), interleaved.rgb());
}

#[test]
fn beyond_the_edges_it_is_black() {
    let landmarks = TEMPLATE_IN_CROP.map(|point| Point { x: point.x - 56.0, y: point.y });
    let picture = marked(Size { width: 112, height: 112 }, &landmarks);
    let face = align_face(&picture.i420(), &landmarks).expect("a face");
    assert_eq!([0, 1, 2].map(|channel| face.rgb()[[channel, 60, 10]]), [0, 0, 0]);
    assert!(face.rgb()[[0, 60, 100]] > 100);
}

#[test]
fn beyond_the_edges_it_is_black_in_full_range_too() {
    let colour = ColourSpace { matrix: Matrix::Bt709, range: Range::Full };
    let landmarks = TEMPLATE_IN_CROP.map(|point| Point { x: point.x - 56.0, y: point.y });
    let picture = TestPicture::uniform(Size { width: 112, height: 112 }, 100);
    let face = align_face(&picture.i420().with_colour(colour), &landmarks).expect("a face");
    assert_eq!([0, 1, 2].map(|channel| face.rgb()[[channel, 60, 10]]), [0, 0, 0]);
    assert_eq!([0, 1, 2].map(|channel| face.rgb()[[channel, 60, 100]]), [100; 3]);
}

#[test]
fn its_debug_text_shows_no_pixel() {
    let landmarks = TEMPLATE_IN_CROP;
    let picture = marked(Size { width: 112, height: 112 }, &landmarks);
    assert_eq!(format!("{:?}", align_face(&picture.i420(), &landmarks).expect("a face")), "AlignedFace(…)");
}
