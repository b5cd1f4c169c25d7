//! Detects unchanged pictures by their [`Thumbnail`]s.

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_picture::Thumbnail;

/// Longest time without counting, because slow changes such as the light add up.
const AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// Compares pictures with the last counted one.
#[derive(Debug, Default)]
pub struct ChangeCheck {
    counted: Thumbnail,
    at: Option<Monotonic>,
}

impl ChangeCheck {
    /// True if the picture must be counted. Later pictures are then compared with it.
    pub fn is_due(&mut self, new: &Thumbnail, now: Monotonic) -> bool {
        let recent = self.at.is_some_and(|at| now.since(at) < AT_LEAST_EVERY);
        let due = !recent || new.differs(&self.counted);
        if due {
            self.counted.copy_from(new);
            self.at = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::street::{Street, at};

    #[test]
    fn noise_changes_nothing_and_one_person_does() {
        let mut check = ChangeCheck::default();
        let mut due =
            |scene: Street, s: u64| scene.with_picture(|picture| check.is_due(&Thumbnail::of(picture), at(s)));
        assert!(due(Street::shifted((0, 0)).with_noise(12, 1), 0), "the first");
        assert!(!due(Street::shifted((0, 0)).with_noise(12, 2), 1));
        assert!(due(Street::shifted((0, 0)).with_noise(12, 3).with_someone(300, 200), 2));
        assert!(!due(Street::shifted((0, 0)).with_noise(12, 4).with_someone(300, 200), 3));
        assert!(due(Street::shifted((0, 0)).with_noise(12, 5).with_someone(304, 200), 4), "a step of four pixels");
        assert!(!due(Street::shifted((0, 0)).with_noise(12, 6).with_someone(304, 200), 33));
        assert!(due(Street::shifted((0, 0)).with_noise(12, 7).with_someone(304, 200), 34), "now and then, in any case");
    }

    #[test]
    fn comparing_allocates_nothing() {
        let (mut thumbnail, mut check) = (Thumbnail::default(), ChangeCheck::default());
        for due in [true, false] {
            Street::shifted((0, 0)).with_picture(|picture| {
                let look = || {
                    thumbnail.update(picture);
                    assert_eq!(check.is_due(&thumbnail, at(1)), due);
                };
                assert_eq!(allocation_counter::measure(look).count_total, 0);
            });
        }
    }
}
