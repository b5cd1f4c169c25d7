//! Levels and surges of a zone, with hysteresis and hold time: pure functions of times and counts.

use std::collections::VecDeque;

use gatehouse_core::event::Level;
use gatehouse_core::time::Monotonic;
use gatehouse_core::zone::{LevelUnit, SurgeRule, Thresholds};

/// Hysteresis: share of a threshold by which the value must fall below it.
const HYSTERESIS: f64 = 0.1;

/// Least value of a level.
fn entry(thresholds: &Thresholds, level: Level) -> f64 {
    match level {
        Level::Low => 0.0,
        Level::Medium => thresholds.medium,
        Level::High => thresholds.high,
        Level::Critical => thresholds.critical,
    }
}

fn reached(thresholds: &Thresholds, value: f64) -> Level {
    [Level::Critical, Level::High, Level::Medium]
        .into_iter()
        .find(|level| value >= entry(thresholds, *level))
        .unwrap_or(Level::Low)
}

/// The level after `before` at this value, without the hold time. It rises at a threshold, and
/// falls if the value is a tenth of the threshold, and at least one person, below it.
fn next_level(thresholds: &Thresholds, before: Level, value: f64) -> Level {
    let reached = reached(thresholds, value);
    let threshold = entry(thresholds, before);
    let least = match thresholds.unit {
        LevelUnit::People => 1.0,
        LevelUnit::PeoplePerM2 => 0.0,
    };
    let margin = (HYSTERESIS * threshold).max(least);
    if reached >= before || value <= threshold - margin { reached } else { before }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LevelKeeper {
    pub(crate) thresholds: Thresholds,
    pub(crate) level: Level,
    /// Pending level and since when.
    coming: Option<(Level, Monotonic)>,
}

impl LevelKeeper {
    pub(crate) fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, level: Level::Low, coming: None }
    }

    /// Updates the level by the value of `now`, in the unit of the thresholds.
    pub(crate) fn next(&mut self, value: f64, now: Monotonic) -> Level {
        let next = next_level(&self.thresholds, self.level, value);
        if next == self.level {
            self.coming = None;
            return self.level;
        }
        // A further step in the same direction doesn't restart the hold time.
        let since = match self.coming {
            Some((coming, since)) if (coming > self.level) == (next > self.level) => since,
            _ => now,
        };
        self.coming = Some((next, since));
        if now.since(since) >= self.thresholds.hold {
            (self.level, self.coming) = (next, None);
        }
        self.level
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SurgeWatch {
    rule: SurgeRule,
    /// Recent counts, without those that a later count undercuts.
    least: VecDeque<(Monotonic, f64)>,
    pub(crate) surging: bool,
}

impl SurgeWatch {
    pub(crate) fn new(rule: SurgeRule) -> Self {
        Self { rule, least: VecDeque::new(), surging: false }
    }

    /// Updates by the count of `now`; true during a surge. It ends when the increase has halved.
    pub(crate) fn next(&mut self, people: f64, now: Monotonic) -> bool {
        while self.least.front().is_some_and(|(at, _)| now.since(*at) > self.rule.within) {
            self.least.pop_front();
        }
        while self.least.back().is_some_and(|(_, count)| *count >= people) {
            self.least.pop_back();
        }
        self.least.push_back((now, people));
        let risen = people - self.least.front().map_or(people, |(_, least)| *least);
        self.surging = risen >= if self.surging { self.rule.people / 2.0 } else { self.rule.people };
        self.surging
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    const T: Thresholds =
        Thresholds { medium: 5.0, high: 20.0, critical: 40.0, unit: LevelUnit::People, hold: Duration::ZERO };

    fn at(s: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs(s))
    }

    #[test]
    fn a_level_rises_at_its_threshold_and_falls_a_tenth_below() {
        let mut keeper = LevelKeeper::new(T);
        let mut seen = |count: f64| keeper.next(count, at(0));
        assert_eq!(
            [seen(4.9), seen(5.0), seen(4.1), seen(4.0)],
            [Level::Low, Level::Medium, Level::Medium, Level::Low]
        );
        assert_eq!([seen(20.0), seen(18.1), seen(18.0)], [Level::High, Level::High, Level::Medium]);
        assert_eq!([seen(45.0), seen(36.1), seen(0.0)], [Level::Critical, Level::Critical, Level::Low]);
        let mut per_m2 = LevelKeeper::new(Thresholds { medium: 0.5, unit: LevelUnit::PeoplePerM2, ..T });
        let mut seen = |value: f64| per_m2.next(value, at(0));
        assert_eq!([seen(0.5), seen(0.46), seen(0.45)], [Level::Medium, Level::Medium, Level::Low]);
    }

    #[test]
    fn a_level_is_reported_after_its_hold_time() {
        let mut keeper = LevelKeeper::new(Thresholds { hold: Duration::from_secs(10), ..T });
        let mut seen = |count: f64, s: u64| keeper.next(count, at(s));
        assert_eq!([seen(6.0, 0), seen(6.0, 9), seen(4.0, 9)], [Level::Low; 3], "not long enough");
        assert_eq!(
            [seen(6.0, 10), seen(25.0, 15), seen(21.0, 20)],
            [Level::Low, Level::Low, Level::High],
            "still rising"
        );
        assert_eq!([seen(0.0, 21), seen(0.0, 30), seen(0.0, 31)], [Level::High, Level::High, Level::Low]);
    }

    #[test]
    fn a_surge_is_many_more_people_than_a_moment_ago() {
        let mut watch = SurgeWatch::new(SurgeRule { people: 10.0, within: Duration::from_secs(30) });
        let mut seen = |count: f64, s: u64| watch.next(count, at(s));
        assert_eq!([seen(5.0, 0), seen(14.9, 20), seen(15.0, 30)], [false, false, true]);
        assert_eq!([seen(16.0, 40), seen(16.0, 62)], [false, false], "14.9 is the least of the last 30 s");
        let slowly: Vec<_> = (0..60).map(|i| seen(16.0 + f64::from(i) * 0.3, 70 + 2 * i as u64)).collect();
        assert_eq!(slowly, [false; 60], "4.5 more in 30 s");
    }

    proptest! {
        #[test]
        fn the_same_count_again_never_changes_the_level(counts in proptest::collection::vec(0f64..60.0, 1..50)) {
            let mut keeper = LevelKeeper::new(T);
            for count in counts {
                let level = keeper.next(count, at(0));
                prop_assert_eq!(keeper.next(count, at(0)), level);
                prop_assert!(level >= reached(&T, count), "a level is never below what the count has reached");
            }
        }

        /// Two changes are at least the hold time apart.
        #[test]
        fn a_level_is_held(counts in proptest::collection::vec(0f64..60.0, 1..200), hold in 1u64..20) {
            let mut keeper = LevelKeeper::new(Thresholds { hold: Duration::from_secs(hold), ..T });
            let mut changed: Option<u64> = None;
            for (s, count) in counts.iter().enumerate() {
                let before = keeper.level;
                if keeper.next(*count, at(s as u64)) != before {
                    prop_assert!(changed.is_none_or(|at| s as u64 - at >= hold));
                    changed = Some(s as u64);
                }
            }
        }
    }
}
