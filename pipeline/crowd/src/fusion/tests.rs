use gatehouse_people::UncertaintyRamp;
use gatehouse_picture::Size;
use gatehouse_runtime::{Fit, Placement};
use proptest::prelude::*;

use super::*;

const FRAME: Size = Size { width: 640, height: 320 };
const RAMP: FusionRamp = FusionRamp {
    people_in_picture: [10.0, 20.0],
    people_in_square: [1.0, 3.0],
    square_px: 80,
    detector_uncertainty: Some(UncertaintyRamp {
        candidate_score: 0.3,
        rejected_share: [0.2, 0.5],
        people_in_picture: [2.0, 4.0],
    }),
};

fn map(people: impl Fn(usize, usize) -> f32) -> DensityMap {
    let mut map = DensityMap::default();
    map.reset(FRAME, &Placement::new(FRAME, FRAME, Fit::Scale), 8);
    let columns = map.columns();
    map.people_mut().iter_mut().enumerate().for_each(|(i, cell)| *cell = people(i % columns, i / columns));
    map
}

/// Nine people in a corner.
fn corner() -> DensityMap {
    map(|column, row| if column < 8 && row < 8 { 0.14 } else { 0.0 })
}

fn person(head_x: f32, head_y: f32) -> Rect {
    Rect { x: head_x - 10.0, y: head_y - 0.08 * 60.0, width: 20.0, height: 60.0 }
}

fn fuse(people: &[Rect], density: &DensityMap, ramp: Option<&FusionRamp>, uncertainty: f32) -> FusedPeople {
    let mut fusion = Fusion::default();
    fusion.update(density, uncertainty, at(0), false);
    fusion.fuse(people.iter().copied(), ramp).clone()
}

fn at(ms: u64) -> Monotonic {
    Monotonic::from_start(Duration::from_millis(ms))
}

fn people_of(fused: &FusedPeople) -> f32 {
    fused.density.sum() + fused.detections.iter().map(|detection| detection.share).sum::<f32>()
}

#[test]
fn without_a_map_or_a_ramp_every_detection_counts() {
    let two = [person(100.0, 100.0), person(300.0, 100.0)];
    assert_eq!(people_of(&fuse(&two, &DensityMap::default(), Some(&RAMP), 0.0)), 2.0);
    assert_eq!(people_of(&fuse(&two, &map(|_, _| 1.0), None, 0.0)), 2.0);
}

#[test]
fn density_counts_the_packed_half_and_detections_the_sparse_one() {
    // The left half holds 0.1 a cell, 10 in a square; the right half too few for the ramp.
    let density = map(|column, _| if column < 40 { 0.1 } else { 0.001 });
    let fused = fuse(&[person(100.0, 100.0), person(550.0, 100.0)], &density, Some(&RAMP), 0.0);
    assert_eq!(fused.detections.iter().map(|detection| detection.share).collect::<Vec<_>>(), [0.0, 1.0]);
    let left = 0.1 * 40.0 * 40.0;
    assert!((people_of(&fused) - 1.0 - left).abs() < 0.05 * left, "{}", people_of(&fused));
}

#[test]
fn few_people_are_counted_as_detections_however_close() {
    let fused = fuse(&[person(30.0, 30.0)], &corner(), Some(&RAMP), 0.0);
    assert_eq!(people_of(&fused), 1.0, "the map's 9 people in a corner are too few for the ramp");
}

#[test]
fn density_counts_few_people_if_the_detector_is_uncertain() {
    let fused = fuse(&[person(30.0, 30.0)], &corner(), Some(&RAMP), 1.0);
    assert!((people_of(&fused) - 0.14 * 64.0).abs() < 1e-3, "{}", people_of(&fused));
}

#[test]
fn density_is_smoothed_over_two_seconds_and_not_after_a_pause() {
    let (empty, full) = (map(|_, _| 0.0), map(|_, _| 1.0));
    let mut fusion = Fusion::default();
    let mut mean = |density: &DensityMap, ms: u64, smooth: bool| {
        fusion.update(density, 0.0, at(ms), smooth);
        fusion.density.people()[0]
    };
    assert_eq!(mean(&full, 0, true), 1.0, "the first picture is its own average");
    assert!((mean(&empty, 1000, true) - (-0.5f32).exp()).abs() < 1e-6);
    assert_eq!(mean(&full, 1500, false), 1.0);
    assert_eq!(mean(&empty, 60_000, true), 0.0);
}

#[test]
fn an_unchanged_picture_is_no_pause() {
    let (empty, full) = (map(|_, _| 0.0), map(|_, _| 1.0));
    let mut fusion = Fusion::default();
    fusion.update(&full, 0.0, at(0), true);
    fusion.hold(at(59_000));
    fusion.update(&empty, 0.0, at(60_000), true);
    assert!((fusion.density.people()[0] - (-0.5f32).exp()).abs() < 1e-6);
}

proptest! {
    /// If both sources see the same people, the fused count is theirs: nobody is lost or counted
    /// twice.
    #[test]
    fn people_seen_by_both_count_once(
        heads in proptest::collection::vec((0usize..80, 0usize..40), 0..400),
        in_picture in (0f32..50.0, 1f32..50.0), in_square in (0f32..5.0, 0.5f32..5.0), uncertainty in 0f32..=1.0,
    ) {
        let ramp = FusionRamp {
            people_in_picture: [in_picture.0, in_picture.0 + in_picture.1],
            people_in_square: [in_square.0, in_square.0 + in_square.1],
            ..RAMP
        };
        let mut density = map(|_, _| 0.0);
        for (column, row) in &heads {
            density.people_mut()[row * 80 + column] += 1.0;
        }
        let people = heads.iter().map(|(column, row)| person(*column as f32 * 8.0 + 4.0, *row as f32 * 8.0 + 4.0));
        let fused = fuse(&people.collect::<Vec<_>>(), &density, Some(&ramp), uncertainty);
        prop_assert!((people_of(&fused) - heads.len() as f32).abs() < 1e-2, "{} of {}", people_of(&fused), heads.len());
    }
}
