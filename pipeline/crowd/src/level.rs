//! How full a zone is, with hysteresis, so that a level doesn't flicker where a count hovers at its threshold.

use gatehouse_core::event::Level;

/// Counts at which a zone becomes medium, high and critical; strictly increasing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// From here on medium.
    pub medium: u32,
    /// From here on high.
    pub high: u32,
    /// From here on critical.
    pub critical: u32,
}

impl Thresholds {
    fn entry(&self, level: Level) -> u32 {
        match level {
            Level::Low => 0,
            Level::Medium => self.medium,
            Level::High => self.high,
            Level::Critical => self.critical,
        }
    }

    fn reached(&self, count: u32) -> Level {
        [Level::Critical, Level::High, Level::Medium]
            .into_iter()
            .find(|level| count >= self.entry(*level))
            .unwrap_or(Level::Low)
    }

    /// The level after `before` at this count. It rises as soon as a threshold is reached, and falls only once the count is
    /// a tenth of the threshold, and at least one person, below it.
    pub fn next(&self, before: Level, count: u32) -> Level {
        let reached = self.reached(count);
        let threshold = self.entry(before);
        let margin = threshold.div_ceil(10);
        if reached >= before || count + margin <= threshold { reached } else { before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: Thresholds = Thresholds { medium: 5, high: 20, critical: 40 };

    #[test]
    fn a_level_rises_at_its_threshold_and_falls_a_tenth_below() {
        let mut level = Level::Low;
        let mut at = |count| {
            level = T.next(level, count);
            level
        };
        assert_eq!([at(4), at(5), at(4)], [Level::Low, Level::Medium, Level::Low]);
        assert_eq!([at(20), at(19), at(18)], [Level::High, Level::High, Level::Medium]);
        assert_eq!([at(45), at(37), at(0)], [Level::Critical, Level::Critical, Level::Low]);
    }

    proptest! {
        #[test]
        fn the_same_count_again_never_changes_the_level(counts in proptest::collection::vec(0u32..60, 1..50)) {
            let mut level = Level::Low;
            for count in counts {
                level = T.next(level, count);
                prop_assert_eq!(T.next(level, count), level);
                prop_assert!(level >= T.reached(count), "a level is never below what the count has reached");
            }
        }
    }
}
