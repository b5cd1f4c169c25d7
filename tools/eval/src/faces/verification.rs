//! One to one: error rates of a set of comparisons.

use std::collections::BTreeMap;

use crate::comparisons::Plan;
use crate::maths::bootstrap::fnmr_intervals;
use crate::maths::interval::{Interval, interval, rate};
use crate::maths::scores::{Errors, ScoreCounts};
use gatehouse_faces::calibration::trials_to_show;

use super::report::{ComparisonSet, FMR_TARGETS, FnmrAt, target};

/// Draws of the bootstrap; 25 of them lie beyond each end of the interval.
const DRAWS: usize = 1000;
/// The most comparisons for the bootstrap, 12 bytes each.
const MOST_SAMPLED: u64 = 16_000_000;
/// Up to this number all impostor scores are kept.
const ALL_SAMPLED: u64 = 2_000_000;
/// Of more, the highest are kept: several times what the highest target allows, as draws differ.
const TAIL: f64 = 2.5e-2;

/// Inputs of the error rates besides the scores.
pub(crate) struct Setting {
    pub(crate) people: usize,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    /// Failure to acquire, for the false rejection rate.
    pub(crate) fta: f64,
    pub(crate) manifest_threshold: Option<f32>,
}

pub(crate) fn of_plan(
    name: &'static str,
    description: &'static str,
    plan: Plan<'_>,
    setting: &Setting,
    notes: &mut Vec<String>,
) -> ComparisonSet {
    let counts = plan.count(setting.threads);
    let from = if counts.impostor_total() <= ALL_SAMPLED {
        Some(-1.0)
    } else {
        counts.at_false_match_rate(TAIL).map(|errors| errors.threshold)
    };
    let few = |from: &f32| counts.genuine_total() + counts.at(*from).false_matches <= MOST_SAMPLED;
    let supported: Vec<&str> =
        FMR_TARGETS.into_iter().filter(|key| counts.impostor_total() >= trials_to_show(target(key))).collect();
    let mut by_people = BTreeMap::new();
    match from.filter(few) {
        Some(from) => {
            let sample = plan.sample(setting.people, from, setting.threads);
            // Ascending rates.
            let keys: Vec<&str> = supported.into_iter().rev().collect();
            let targets: Vec<f64> = keys.iter().map(|key| target(key)).collect();
            let intervals = fnmr_intervals(&sample, &targets, DRAWS, setting.seed);
            by_people.extend(keys.into_iter().zip(intervals.into_iter().flatten()));
        }
        None => notes.push(format!(
            "{name}: too many comparisons to draw people from, so there is no interval by people; the other intervals take \
             comparisons as independent and are too narrow"
        )),
    }
    set(name, description, counts, &by_people, setting, notes)
}

/// Error rates of scores that were counted elsewhere.
pub(crate) fn set(
    name: &'static str,
    description: &'static str,
    counts: ScoreCounts,
    by_people: &BTreeMap<&'static str, Interval>,
    setting: &Setting,
    notes: &mut Vec<String>,
) -> ComparisonSet {
    let (genuine, impostor) = (counts.genuine_total(), counts.impostor_total());
    let at = |errors: Errors, key: &str| -> Option<FnmrAt> {
        let fnmr = rate(errors.false_non_matches, genuine)?;
        Some(FnmrAt {
            fnmr,
            threshold: errors.threshold,
            fmr: rate(errors.false_matches, impostor)?,
            false_non_matches: errors.false_non_matches,
            false_matches: errors.false_matches,
            interval: interval(errors.false_non_matches, genuine),
            interval_by_people: by_people.get(key).copied(),
            frr: setting.fta + (1.0 - setting.fta) * fnmr,
        })
    };
    let fnmr_at_fmr: BTreeMap<_, _> = FMR_TARGETS
        .into_iter()
        .map(|key| (key, counts.at_false_match_rate(target(key)).and_then(|errors| at(errors, key))))
        .collect();
    for (key, value) in &fnmr_at_fmr {
        let needed = trials_to_show(target(key));
        if value.is_none() {
            notes.push(if genuine == 0 {
                format!("{name}: fnmr_at_fmr {key} is null: nobody has two pictures to compare")
            } else if impostor < needed {
                format!(
                    "{name}: fnmr_at_fmr {key} is null: it needs {needed} comparisons of different people at least (rule of \
                     three), there are {impostor}"
                )
            } else {
                format!("{name}: fnmr_at_fmr {key} is null: too many different people score 1.0")
            });
        }
    }
    let own = setting.manifest_threshold.map(|threshold| counts.at(threshold));
    let equal = counts.equal_error();
    ComparisonSet {
        name,
        description,
        genuine,
        impostor,
        eer: equal.map(|(rate, _)| rate),
        eer_threshold: equal.map(|(_, threshold)| threshold),
        fmr_at_manifest_threshold: own.and_then(|errors| rate(errors.false_matches, impostor)),
        fnmr_at_manifest_threshold: own.and_then(|errors| rate(errors.false_non_matches, genuine)),
        fnmr_at_fmr,
        counts,
    }
}
