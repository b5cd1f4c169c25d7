//! Which source counts: detections or density.

use gatehouse_people::UncertaintyRamp;

use super::*;

#[test]
fn a_density_without_candidates_is_out_of_range() {
    let density = still(with_density(), &packed(&[], 0.1)).density;
    assert_eq!((density.self_assessment, density.interval), (SelfAssessment::OutOfRange, None));
}

/// Nine people in a corner by the density; one is detected and `suspected` have low scores.
fn corner(suspected: usize) -> PeopleReading {
    let mut seen = packed(&[person(200.0, 200.0, 60.0, 0.9)], 0.0);
    seen.people.extend(std::iter::repeat_n(person(220.0, 200.0, 60.0, 0.4), suspected));
    let columns = seen.density.columns();
    for row in seen.density.people_mut().chunks_mut(columns).skip(6).take(8) {
        row[8..16].fill(9.0 / 64.0);
    }
    seen
}

/// The ramp runs from 2 to 4 people if three in four candidates are rejected, and from 10 to 20 if
/// a quarter is.
fn with_uncertainty() -> CrowdModel {
    let mut model = with_density();
    let ramp = model.counting.as_mut().and_then(|counting| counting.fusion_ramp.as_mut()).expect("it has one");
    ramp.detector_uncertainty =
        Some(UncertaintyRamp { candidate_score: 0.3, rejected_share: [0.25, 0.75], people_in_picture: [2.0, 4.0] });
    model
}

#[test]
fn density_counts_few_people_if_candidates_are_rejected() {
    let counted = |model: CrowdModel, suspected: usize| still(model, &corner(suspected)).density.count;
    assert_eq!([0, 3].map(|suspected| counted(with_density(), suspected)), [1.0, 1.0], "nine are too few for the ramp");
    assert_eq!(counted(with_uncertainty(), 0), 1.0, "the detector is certain");
    assert_eq!(counted(with_uncertainty(), 3), 9.0);
    assert_eq!(counted(with_uncertainty(), 1), 5.0, "half of either");
    // Excluded candidates don't count as uncertainty.
    let excluded = vec![rectangle(0.205, 0.0, 1.0, 1.0)];
    let mut crowd = crowd(with_uncertainty(), CrowdOptions { excluded, ..options(false) });
    let events = count(&mut crowd, &corner(3), 0, PictureVerdict::Sound).expect("an event");
    assert_eq!((events.density.count, events.density.share_by_density), (1.0, 0.0));
}

#[test]
fn uncertainty_is_smoothed() {
    let mut crowd = crowd(with_uncertainty(), options(true));
    let mut counted = |suspected: usize, ms: u64| {
        count(&mut crowd, &corner(suspected), ms, PictureVerdict::Sound).map(|events| events.density.count)
    };
    assert_eq!((counted(0, 0), counted(0, 500)), (None, Some(1.0)));
    let one_uncertain_picture = counted(3, 1000).expect("counted");
    assert!((1.0..4.0).contains(&one_uncertain_picture), "{one_uncertain_picture}");
    let many = (3..30).map(|i| counted(3, 500 * i).expect("counted")).last();
    assert!(many.is_some_and(|count| count > 8.5), "{many:?}");
}
