use proptest::prelude::*;

use super::*;

/// A manifest of a face embedder.
const EMBEDDER: &str = r#"name = "small"
version = "1"
task = "face-embedding"
description = "For tests."
licence = "MIT"
card = "small.md"

[file]
path = "small.onnx"
sha256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
bytes = 3

[[input]]
name = "picture"
type = "f32"
shape = ["batch", 3, "height", "width"]
layout = "NCHW"
colour = "BGR"
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]
default_size = [112, 112]

[[output]]
name = "embedding"
type = "f32"
shape = ["batch", 128]
"#;

/// A model that errs little: genuine scores around 0.7, impostors' around 0.1 and never above 0.45.
fn measured(genuine: usize, impostor: usize) -> Measured {
    let spread = |count: usize, low: f32, high: f32| -> Vec<f32> {
        // Denser in the middle, as scores are, and thin at both ends.
        (0..count)
            .map(|i| {
                let share = (i as f32 + 0.5) / count as f32 * 2.0 - 1.0;
                low + (high - low) * (share.powi(3) + 1.0) / 2.0
            })
            .collect()
    };
    Measured { genuine: spread(genuine, 0.25, 0.95), impostor: spread(impostor, -0.25, 0.45), strangers: vec![] }
}

fn on(people: u64, images: u64, genuine_people: u64) -> MeasuredOn {
    MeasuredOn {
        dataset: "Faces of Nowhere".into(),
        model: "small".into(),
        model_version: "1".into(),
        people,
        images,
        genuine_people,
    }
}

/// 3,000 and 3,000 pairs, like LFW's protocol.
fn pairs() -> Calibration {
    Calibration::count(on(5749, 13_233, 1680), measured(3000, 3000)).expect("a calibration")
}

/// The same, with 4,000 strangers before galleries of 10 and 1,600; 16 are let in where the
/// threshold is 0.4 or less.
fn open_set() -> Calibration {
    let mut scores = measured(3000, 3000);
    let best =
        |top: f32| -> Vec<f32> { (0..4000u16).map(|i| if i < 16 { top } else { 0.3 - f32::from(i) * 5e-5 }).collect() };
    scores.strangers = vec![(10, best(0.35)), (1600, best(0.4))];
    Calibration::count(on(5749, 13_233, 1680), scores).expect("a calibration")
}

fn target(one_in: f64, enrolled: u64) -> Target {
    Target { strangers_let_in: 1.0 / one_in, enrolled }
}

#[test]
fn errors_are_counted_by_their_definition() {
    let calibration = open_set();
    let scores = measured(3000, 3000);
    assert_eq!(calibration.thresholds.len(), Calibration::MOST_ROWS);
    for (row, threshold) in calibration.thresholds.iter().enumerate() {
        let accepted = |scores: &[f32]| scores.iter().filter(|score| **score >= *threshold as f32).count() as u64;
        assert_eq!(calibration.false_matches[row], accepted(&scores.impostor));
        assert_eq!(calibration.false_non_matches[row], 3000 - accepted(&scores.genuine));
    }
    // From where half of the impostors match to where no stranger does, so that a target is never
    // missed for want of a row.
    assert!((1500..1600).contains(&calibration.false_matches[0]), "{}", calibration.false_matches[0]);
    assert_eq!(calibration.false_matches.last(), Some(&0));
    let trials = calibration.open_set.as_ref().expect("it was tried");
    assert!(trials.galleries.iter().all(|gallery| gallery.let_in.last() == Some(&0)));
    let at_0_4 = calibration.thresholds.partition_point(|threshold| *threshold as f32 <= 0.4) - 1;
    assert_eq!((trials.galleries[0].let_in[at_0_4], trials.galleries[1].let_in[at_0_4]), (0, 16));
}

#[test]
fn a_table_is_written_and_read_and_fits_a_manifest() {
    let calibration = open_set();
    let text = calibration.to_toml().expect("text");
    assert!(text.len() < 16_000, "{} bytes", text.len());
    assert_eq!(Calibration::parse(&text, "c.toml"), Ok(calibration.clone()));

    let manifest = format!("{EMBEDDER}\n{text}");
    let read = |text: &str| Calibration::of(&Manifest::parse(text, "m.toml").expect("a manifest"));
    assert_eq!(read(EMBEDDER), Ok(None));
    assert_eq!(read(&manifest), Ok(Some(calibration)));
    let refusal = |text: &str| read(text).expect_err("a wrong table").to_string();
    assert_eq!(
        refusal(&manifest.replace("\nimpostor =", "\nimposter =")),
        "m.toml:36: unknown field `imposter`, expected one of `dataset`, `model`, `model_version`, `people`, `images`, \
         `genuine`, `genuine_people`, `impostor`, `thresholds`, `false_non_matches`, `false_matches`, `open_set`"
    );
    assert_eq!(
        refusal(&manifest.replace("version = \"1\"\ntask", "version = \"2\"\ntask")),
        "m.toml: calibration: it was measured with model `small` version `1`, and this is `small` version `2`"
    );
    assert_eq!(
        refusal(&manifest.replace("face-embedding", "person-detection")),
        "m.toml: a [calibration] belongs to a face-embedding model, and this is person-detection"
    );
}

#[test]
fn contradictions_are_refused() {
    let refusal = |change: &dyn Fn(&mut Calibration)| {
        let mut calibration = open_set();
        change(&mut calibration);
        let text = calibration.to_toml().expect("text");
        Calibration::parse(&text, "c.toml").map(drop).expect_err("a wrong table").to_string()
    };
    for (message, change) in [
        ("`dataset` has no name", &(|c: &mut Calibration| c.dataset.clear()) as &dyn Fn(&mut Calibration)),
        ("1 to 400 thresholds are expected, got 0", &|c| c.thresholds.clear()),
        ("1 to 400 thresholds are expected, got 401", &|c| c.thresholds.push(0.99)),
        ("`thresholds` are expected to rise from row to row and to lie within −1 to 1", &|c| c.thresholds.swap(3, 4)),
        ("`thresholds` are expected to rise from row to row and to lie within −1 to 1", &|c| c.thresholds[399] = 1.5),
        ("`thresholds` are expected to rise from row to row and to lie within −1 to 1", &|c| {
            c.thresholds[7] = f64::NAN
        }),
        ("at least 2 people and a picture of each are expected, got 5749 people and 5 pictures", &|c| c.images = 5),
        ("3000 genuine comparisons of 6000 people don't fit 5749 people", &|c| c.genuine_people = 6000),
        ("3000 genuine and 3000 impostor comparisons don't fit 5 pictures", &|c| {
            (c.people, c.images, c.genuine_people) = (3, 5, 1);
        }),
        ("`false_matches`: a count is greater than their number, 3000", &|c| c.false_matches[0] = 3001),
        ("`false_matches`: a higher threshold can't accept more", &|c| c.false_matches[399] = 5),
        ("`false_non_matches`: a higher threshold can't accept more", &|c| c.false_non_matches[399] = 0),
        ("`false_non_matches`: 400 counts are expected, one for each threshold, got 399", &|c| {
            c.false_non_matches.pop();
        }),
        ("4200 strangers and 1600 enrolled are not among 5749 people", &|c| {
            if let Some(trials) = &mut c.open_set {
                trials.strangers = 4200
            }
        }),
        ("`open_set.galleries` are expected to grow from one to the next, from 1", &|c| {
            if let Some(trials) = &mut c.open_set {
                trials.galleries.reverse()
            }
        }),
        ("`open_set.galleries, 10 enrolled: let_in`: a higher threshold can't accept more", &|c| {
            if let Some(trials) = &mut c.open_set {
                trials.galleries[0].let_in[0] = 0
            }
        }),
        ("`open_set`: a larger gallery lets in fewer than a smaller one", &|c| {
            if let Some(trials) = &mut c.open_set {
                trials.galleries[1].let_in.fill(0)
            }
        }),
    ] {
        assert_eq!(refusal(change), format!("c.toml: calibration: {message}"));
    }
    let unknown = format!("{}\nmore = 1\n", pairs().to_toml().expect("text"));
    assert!(
        Calibration::parse(&unknown, "c.toml").expect_err("a wrong table").to_string().contains("unknown field `more`")
    );
}

#[test]
fn scores_that_are_none_are_refused() {
    let refusal = |scores: Measured| Calibration::count(on(10, 20, 5), scores).expect_err("a refusal").to_string();
    let few = measured(10, 10);
    let with_nan = Measured { genuine: vec![0.5, f32::NAN], ..few.clone() };
    assert_eq!(refusal(with_nan), "calibration: a score is NaN, a number within −1 to 1 was expected");
    let uneven = Measured { strangers: vec![(1, vec![0.1; 3]), (2, vec![0.1; 4])], ..few };
    assert_eq!(refusal(uneven), "calibration: 4 strangers were tried with 2 enrolled, and 3 with the smallest gallery");
    assert_eq!(refusal(Measured::default()), "calibration: 1 to 400 thresholds are expected, got 0");
}

#[test]
fn rates_at_a_threshold_count_people_not_comparisons() {
    let calibration = pairs();
    let threshold = calibration.thresholds[100] as f32;
    let (fmr, fnmr) = (calibration.fmr(threshold).expect("a rate"), calibration.fnmr(threshold).expect("a rate"));
    assert_eq!((fmr.errors, fmr.trials, fmr.independent), (calibration.false_matches[100], 3000, 2874));
    assert_eq!((fnmr.errors, fnmr.trials, fnmr.independent), (calibration.false_non_matches[100], 3000, 1680));
    // Between two rows each is taken from the side on which it is higher.
    let between = threshold + 1e-5;
    assert_eq!(calibration.fmr(between).expect("a rate").errors, calibration.false_matches[100]);
    assert_eq!(calibration.fnmr(between).expect("a rate").errors, calibration.false_non_matches[101]);
    // What lies outside of the table isn't known.
    assert_eq!((calibration.fmr(-0.9), calibration.fnmr(0.99)), (None, None));
    assert_eq!((calibration.predict(-0.9, 10), calibration.predict(0.99, 10)), (None, None));
}

#[test]
fn the_threshold_is_the_lowest_that_keeps_the_target() {
    let calibration = open_set();
    for (one_in, enrolled) in [(100.0, 1600), (1000.0, 1600), (1300.0, 10), (50.0, 8000)] {
        let target = target(one_in, enrolled);
        let chosen = calibration.threshold_for(target).expect("it is supported");
        assert!(chosen.strangers_let_in_at_most <= target.strangers_let_in, "{chosen:?}");
        let row = calibration.thresholds.iter().position(|value| *value as f32 == chosen.threshold).expect("a row");
        let below = calibration.predict(calibration.thresholds[row - 1] as f32, enrolled).expect("a row");
        assert!(below.strangers_let_in_at_most > target.strangers_let_in, "{below:?}");
        assert_eq!(calibration.predict(chosen.threshold, enrolled), Some(chosen));
    }
}

#[test]
fn rates_are_extended_to_larger_galleries_only() {
    let calibration = open_set();
    let upper = |enrolled: u64| calibration.predict(0.38, enrolled).expect("a row");
    assert_eq!((upper(3).tried.enrolled, upper(3).tried.rate.errors), (10, 0));
    assert_eq!((upper(11).tried.enrolled, upper(11).tried.rate.errors), (1600, 16));
    assert_eq!(upper(11).strangers_let_in_at_most, upper(1600).strangers_let_in_at_most);
    let (tried, double) = (upper(1600).strangers_let_in_at_most, upper(3200).strangers_let_in_at_most);
    assert!((double - (1.0 - (1.0 - tried).powi(2))).abs() < 1e-12);
    // From pairs alone: 1 − (1 − FMR)^N.
    let pairs = pairs();
    let (one, many) = (pairs.predict(0.4, 1).expect("a row"), pairs.predict(0.4, 500).expect("a row"));
    let fmr = pairs.fmr(0.4).expect("a rate");
    assert_eq!((one.strangers_let_in, one.strangers_let_in_at_most), (fmr.estimate, fmr.upper));
    assert!((many.strangers_let_in - (1.0 - (1.0 - fmr.estimate).powi(500))).abs() < 1e-9);
}

#[test]
fn a_prediction_reads_like_this() {
    let chosen = open_set().threshold_for(target(285.0, 6500)).expect("it is supported");
    assert_eq!(
        chosen.to_string(),
        "Threshold 0.4007, for 6,500 enrolled.\nStrangers let in: at most 1 in 329, with 95 % confidence. In the \
         test on `Faces of Nowhere`, 4,000 strangers were tried with 1,600 enrolled, none of whom was let in at this \
         threshold.\nResidents sent to the staffed lane: 8.57 % (between 7.27 % and 10.01 %, with 95 % confidence), \
         from comparisons of 1,680 people.\nAssumed: people, cameras and light are like those of `Faces of Nowhere`; \
         the rates are those of one comparison. A gate compares each person several times, and several comparisons must agree; with 6,500 enrolled instead of 1,600, \
         strangers are let in more often in proportion (comparisons with different people taken as independent, \
         ISO/IEC 19795-1)."
    );
}

#[test]
fn refusals_read_like_this() {
    let refusal = |calibration: Calibration, target: Target| {
        calibration.threshold_for(target).expect_err("a refusal").to_string()
    };
    let expected = [
        (
            open_set(),
            target(10_000.0, 8000),
            "the calibration on `Faces of Nowhere` can't support the target of at most 1 in 10,000 strangers let in \
             with 8,000 enrolled. In its test 4,000 strangers were tried with 1,600 enrolled, none of whom was let \
             in at the highest threshold; with 95 % confidence that leaves room for 1 in 1,335 with 1,600 enrolled \
             (rule of three: no error in n trials leaves room for 3/n). It can support 1 in 267 with 8,000 enrolled. \
             For your target, a test must try 29,956 strangers with 8,000 enrolled, or compare 239,646,599 pairs of \
             people that share nobody, and find no error.",
        ),
        (
            open_set(),
            target(1000.0, 8000),
            "the calibration on `Faces of Nowhere` can't support the target of at most 1 in 1,000 strangers let in \
             with 8,000 enrolled. In its test 4,000 strangers were tried with 1,600 enrolled, none of whom was let \
             in at the highest threshold; with 95 % confidence that leaves room for 1 in 1,335 with 1,600 enrolled \
             (rule of three: no error in n trials leaves room for 3/n). It can support 1 in 267 with 8,000 enrolled, \
             or 1 in 1,000 with up to 2,137 enrolled. For your target, a test must try 2,995 strangers with 8,000 \
             enrolled, or compare 23,953,874 pairs of people that share nobody, and find no error.",
        ),
        (
            pairs(),
            target(10_000.0, 8000),
            "the calibration on `Faces of Nowhere` can't support the target of at most 1 in 10,000 strangers let in \
             with 8,000 enrolled. In its test 3,000 pairs of different people were compared (counted as 2,874, \
             because more pairs would share people), none of which matched at the highest threshold; with 95 % \
             confidence that leaves room for 1 in 959 with 1 enrolled (rule of three: no error in n trials leaves \
             room for 3/n). With 8,000 enrolled it supports no useful target. For your target, a test must try \
             29,956 strangers with 8,000 enrolled, or compare 239,646,599 pairs of people that share nobody, and \
             find no error.",
        ),
        (
            pairs(),
            target(100.0, 60),
            "the calibration on `Faces of Nowhere` can't support the target of at most 1 in 100 strangers let in \
             with 60 enrolled. In its test 3,000 pairs of different people were compared (counted as 2,874, because \
             more pairs would share people), none of which matched at the highest threshold; with 95 % confidence \
             that leaves room for 1 in 959 with 1 enrolled (rule of three: no error in n trials leaves room for \
             3/n). It can support 1 in 16 with 60 enrolled, or 1 in 100 with up to 9 enrolled. For your target, a \
             test must try 299 strangers with 60 enrolled, or compare 17,885 pairs of people that share nobody, and \
             find no error.",
        ),
    ];
    for (calibration, target, expected) in expected {
        assert_eq!(refusal(calibration, target), expected);
    }
    assert_eq!(
        refusal(pairs(), Target { strangers_let_in: 0.0, enrolled: 5 }),
        "the share of strangers let in must be above 0 and below 1; got 0"
    );
    assert_eq!(refusal(pairs(), target(10.0, 0)), "a threshold by target needs at least 1 enrolled person; got 0");
}

// The model that errs at every threshold: somebody's twin, or one person under two names in the
// data set.
#[test]
fn errors_at_every_threshold_are_named() {
    let mut scores = measured(3000, 3000);
    scores.impostor[0] = 1.0;
    let calibration = Calibration::count(on(5749, 13_233, 1680), scores).expect("a calibration");
    let refusal = calibration.threshold_for(target(1000.0, 1)).expect_err("a refusal").to_string();
    assert_eq!(
        refusal,
        "the calibration on `Faces of Nowhere` can't support the target of at most 1 in 1,000 strangers let in with \
         1 enrolled. In its test 3,000 pairs of different people were compared (counted as 2,874, because more pairs \
         would share people), 1 of which matched at the highest threshold; with 95 % confidence that leaves room for \
         1 in 615 with 1 enrolled. It can support 1 in 615 with 1 enrolled. For your target, a test must try 2,995 \
         strangers with 1 enrolled, or compare 2,995 pairs of people that share nobody, and find no error."
    );
}

proptest! {
    /// Whatever was measured: the rule of three holds at both edges of what is promised.
    #[test]
    fn a_refusals_offer_is_kept(strangers in 30u16..3000, errors in 0usize..3, one_in in 2u32..100_000, enrolled in 1u64..20_000) {
        let mut scores = measured(100, 100);
        let mut best = vec![0.2; usize::from(strangers)];
        best[..errors].fill(1.0);
        scores.strangers = vec![(100, best)];
        let calibration = Calibration::count(on(4000, 8000, 50), scores).expect("a calibration");
        let asked = target(f64::from(one_in), enrolled);
        match calibration.threshold_for(asked) {
            Ok(chosen) => prop_assert!(chosen.strangers_let_in_at_most <= asked.strangers_let_in),
            Err(TargetError::Unsupported(why)) => {
                let offer = Target { strangers_let_in: why.lowest, enrolled };
                if why.lowest < 1.0 {
                    prop_assert!(calibration.threshold_for(offer).is_ok(), "{:?}", why);
                }
                if let Some(fewer) = why.enough_for {
                    prop_assert!(fewer < enrolled);
                    let with = |enrolled: u64| calibration.threshold_for(Target { enrolled, ..asked }).is_ok();
                    prop_assert!(with(fewer) && !with(fewer + 1), "{:?}", why);
                }
                prop_assert!(errors > 0 || why.strangers_needed > u64::from(strangers) || enrolled > 100);
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
