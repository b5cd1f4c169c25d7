use gatehouse_picture::{ColourSpace, Matrix, Range};
use proptest::prelude::*;

use super::*;
use crate::testing::at;

const FRAME: Size = Size { width: 640, height: 360 };
const FACE: Rect = Rect { x: 280.0, y: 110.0, width: 80.0, height: 100.0 };

/// A gate with a patterned wall.
fn gate(light: f32) -> Vec<u8> {
    let value = |i: usize| 90 + (i % FRAME.width / 40 * 37 + i / FRAME.width / 30 * 53) % 100;
    (0..FRAME.width * FRAME.height).map(|i| (value(i) as f32 * light) as u8).collect()
}

fn block(picture: &mut [u8], columns: std::ops::Range<usize>, rows: std::ops::Range<usize>, value: u8) {
    picture
        .chunks_exact_mut(FRAME.width)
        .take(rows.end)
        .skip(rows.start)
        .for_each(|row| row[columns.clone()].fill(value));
}

/// Head, hair and shoulders around [`FACE`].
fn person(mut picture: Vec<u8>) -> Vec<u8> {
    block(&mut picture, 265..375, 85..215, 30);
    block(&mut picture, 200..440, 215..360, 30);
    picture
}

fn grey(luma: &[u8]) -> YuvPicture<'_> {
    const NEUTRAL: &[u8] = &[128; FRAME.width * FRAME.height / 2];
    YuvPicture::nv12(FRAME, [luma, NEUTRAL], [FRAME.width; 2]).expect("a picture")
}

fn learn(background: &mut Background, picture: &[u8], has_face: bool, ms: u64) {
    background.learn(&grey(picture), std::iter::repeat_n(FACE, usize::from(has_face)), at(ms));
}

/// A background that was learnt, four seconds after the gate was last empty.
fn known() -> Background {
    let mut background = Background::default();
    (0..FIRST_PICTURES as u64).for_each(|i| learn(&mut background, &gate(1.0), false, i * 500));
    background
}

fn openness(background: &mut Background, picture: &[u8]) -> Option<f32> {
    let open = background.openness(&grey(picture), &FACE);
    assert_eq!(background.current, [0; CELLS], "no picture of the person is kept");
    open
}

#[test]
fn the_background_is_visible_around_a_person_in_any_light() {
    for light in [0.7, 1.0, 1.3] {
        assert_eq!(openness(&mut known(), &person(gate(light))), Some(1.0), "light {light}");
    }
}

#[test]
fn the_background_is_the_same_in_full_range() {
    let full = ColourSpace { matrix: Matrix::Bt709, range: Range::Full };
    let stretched: Vec<u8> =
        person(gate(1.0)).iter().map(|v| ((f32::from(*v) - 16.0) * 255.0 / 219.0).round() as u8).collect();
    let mut background = known();
    assert_eq!(background.openness(&grey(&stretched).with_colour(full), &FACE), Some(1.0));
    // The exposure is estimated from the whole picture, so it makes up for some of a wrong range.
    let mut cells = [[0; CELLS]; 2];
    cell_means(&grey(&stretched).with_colour(full), &mut cells[0]);
    cell_means(&grey(&person(gate(1.0))), &mut cells[1]);
    assert!(cells[0].iter().zip(&cells[1]).all(|(a, b)| a.abs_diff(*b) <= 2));
}

#[test]
fn a_neighbour_closes_one_side_and_a_crowd_closes_all() {
    let mut two = person(gate(1.0));
    block(&mut two, 100..220, 60..360, 60);
    assert_eq!(openness(&mut known(), &two), Some(1.0));
    block(&mut two, 420..560, 80..360, 20);
    assert_eq!(openness(&mut known(), &two), Some(1.0), "the background above the head is visible");
    block(&mut two, 200..440, 20..80, 10);
    assert_eq!(openness(&mut known(), &two), Some(0.0), "somebody taller stands behind");
}

#[test]
fn a_screen_around_the_face_closes_every_side() {
    // Only its rim differs: it shows the gate.
    let mut screen = person(gate(1.0));
    for (columns, rows) in [(100..540, 20..30), (100..110, 20..360), (530..540, 20..360)] {
        block(&mut screen, columns, rows, 16);
    }
    assert_eq!(openness(&mut known(), &screen), Some(0.0));
    // No rim is visible: it shows another place.
    let mut elsewhere = gate(1.0);
    elsewhere.rotate_left(20 * FRAME.width + 25);
    let open = openness(&mut known(), &person(elsewhere)).expect("known");
    assert!(open < 0.3, "{open}");
}

#[test]
fn the_background_is_unknown_until_the_gate_was_empty() {
    let mut background = Background::default();
    (0..20).for_each(|i| learn(&mut background, &person(gate(1.0)), true, i * 500));
    assert_eq!(openness(&mut background, &person(gate(1.0))), None);
    // A person who leaves without showing a face is not learnt.
    learn(&mut background, &person(gate(1.0)), false, 10_000);
    assert_eq!(background.pictures.len(), 0);
    (0..MIN_PICTURES as u64).for_each(|i| learn(&mut background, &gate(1.0), false, 11_000 + i * 500));
    assert_eq!(openness(&mut background, &person(gate(1.0))), Some(1.0));
}

#[test]
fn a_lasting_object_is_learnt_and_a_passing_one_is_not() {
    let mut background = known();
    let mut changed = gate(1.0);
    for (columns, rows) in [(0..640, 30..50), (20..40, 0..360), (600..620, 0..360)] {
        block(&mut changed, columns, rows, 250);
    }
    let mut minutes = |from: u64, pictures: u64, picture: &[u8]| {
        (0..pictures).for_each(|i| learn(&mut background, picture, false, from + i * 4000));
        openness(&mut background, picture)
    };
    assert_eq!(minutes(20_000, 24, &gate(1.0)), Some(1.0));
    let short = minutes(200_000, 8, &changed);
    assert_eq!(short, Some(0.0), "half a minute is not enough");
    assert_eq!(minutes(300_000, 24, &changed), Some(1.0));
}

#[test]
fn an_occupied_gate_learns_a_new_background_in_minutes() {
    let mut background = known();
    let mut changed = gate(1.0);
    for (columns, rows) in [(0..640, 10..30), (20..40, 0..360), (600..620, 0..360)] {
        block(&mut changed, columns, rows, 250);
    }
    let mut seconds = |to: u64| {
        (4..=to).for_each(|second| learn(&mut background, &person(changed.clone()), true, second * 1000));
        openness(&mut background, &person(changed.clone()))
    };
    assert_eq!(seconds(60), Some(0.0));
    assert_eq!(seconds(400), Some(1.0));
    assert!(background.median.iter().all(|level| *level > 60), "the person is not learnt");
}

#[test]
fn a_face_that_leaves_no_room_has_no_openness() {
    let all = Rect { x: 0.0, y: 0.0, width: 640.0, height: 360.0 };
    assert_eq!(known().openness(&grey(&gate(1.0)), &all), None);
}

proptest! {
    #[test]
    fn any_face_at_the_empty_gate_is_fully_open_or_unknown(
        x in -700.0_f32..1400.0, y in -400.0_f32..800.0, width in 1.0_f32..900.0, height in 1.0_f32..900.0,
    ) {
        let open = known().openness(&grey(&gate(1.0)), &Rect { x, y, width, height });
        prop_assert!(open.is_none_or(|open| open == 1.0), "{open:?}");
    }
}
