//! Who moves before the gate.

use gatehouse_credential::PersonId;
use gatehouse_faces::Face;
use gatehouse_picture::{Point, Rect};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub(crate) const ANN: PersonId = PersonId::from_u128(1);
pub(crate) const BOB: PersonId = PersonId::from_u128(2);

/// What the camera sees of an actor at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Look {
    /// The enrolled person whose face it is; none for a stranger.
    pub(crate) who: Option<PersonId>,
    /// A face, and not a picture of one.
    pub(crate) is_live: bool,
    /// Of use for recognition.
    pub(crate) is_usable: bool,
    /// Found by the detector.
    pub(crate) is_visible: bool,
}

impl Look {
    pub(crate) fn live(who: Option<PersonId>) -> Self {
        Self { who, is_live: true, is_usable: true, is_visible: true }
    }

    pub(crate) fn print(who: PersonId) -> Self {
        Self { is_live: false, ..Self::live(Some(who)) }
    }

    pub(crate) fn turned(who: Option<PersonId>) -> Self {
        Self { is_usable: false, ..Self::live(who) }
    }

    pub(crate) fn hidden() -> Self {
        Self { is_visible: false, ..Self::live(None) }
    }
}

/// Left edge and eye distance at a time in milliseconds since the actor came.
type Path = Box<dyn Fn(u64) -> (f32, f32)>;

/// Somebody, or something, with a face.
pub(crate) struct Actor {
    from_ms: u64,
    until_ms: u64,
    path: Path,
    look: Box<dyn Fn(u64) -> Look>,
}

impl Actor {
    fn new(
        from_ms: u64,
        until_ms: u64,
        path: impl Fn(u64) -> (f32, f32) + 'static,
        look: impl Fn(u64) -> Look + 'static,
    ) -> Self {
        Self { from_ms, until_ms, path: Box::new(path), look: Box::new(look) }
    }

    /// Comes from afar within two seconds, and stands. `look` is told the milliseconds since they came.
    pub(crate) fn walks_up(from_ms: u64, until_ms: u64, x: f32, look: impl Fn(u64) -> Look + 'static) -> Self {
        let grows = |ms: u64| 22.0 + 48.0 * (ms as f32 / 2000.0).min(1.0);
        // Around one middle: a face grows to both sides.
        Self::new(from_ms, until_ms, move |ms| (x - grows(ms) * 1.25, grows(ms)), look)
    }

    pub(crate) fn stands(from_ms: u64, until_ms: u64, x: f32, look: impl Fn(u64) -> Look + 'static) -> Self {
        Self::new(from_ms, until_ms, move |ms| (x + 6.0 * (ms as f32 / 300.0).sin(), 60.0), look)
    }

    pub(crate) fn far(from_ms: u64, until_ms: u64, x: f32) -> Self {
        Self::new(from_ms, until_ms, move |_| (x, 25.0), |_| Look::live(None))
    }

    /// Goes from one place to the other within 0.6 seconds.
    pub(crate) fn crosses(
        from_ms: u64,
        until_ms: u64,
        from_x: f32,
        to_x: f32,
        look: impl Fn(u64) -> Look + 'static,
    ) -> Self {
        let path = move |ms: u64| (from_x + (to_x - from_x) * (ms as f32 / 600.0).min(1.0), 60.0);
        Self::new(from_ms, until_ms, path, look)
    }

    /// What there is to see at a moment: the face, where it is, and what is behind it.
    pub(crate) fn at(&self, ms: u64) -> Option<(Face, Look)> {
        let since = ms.checked_sub(self.from_ms).filter(|_| ms < self.until_ms)?;
        let (x, eye_distance) = (self.path)(since);
        let p = |dx: f32, dy: f32| Point { x: x + dx * eye_distance, y: 200.0 + dy * eye_distance };
        let face = Face {
            box_in_frame: Rect { x, y: 130.0, width: 2.5 * eye_distance, height: 3.0 * eye_distance },
            score: 0.9,
            landmarks_in_frame: [p(0.7, 0.0), p(1.7, 0.0), p(1.2, 0.6), p(0.8, 1.2), p(1.6, 1.2)],
        };
        Some((face, (self.look)(since))).filter(|(_, look)| look.is_visible)
    }
}

/// A minute of people who come, stand, turn away, hold up prints of residents, change places and leave.
pub(crate) fn crowd(seed: u64) -> Vec<Actor> {
    let mut rng = StdRng::seed_from_u64(seed ^ 0xc0de);
    (0..30)
        .map(|_| {
            let from = rng.random_range(0..55_000);
            let until = from + rng.random_range(500..12_000);
            let x = 150.0 + 200.0 * rng.random_range(0..4) as f32;
            let resident = [None, Some(ANN), Some(BOB), Some(PersonId::from_u128(3))][rng.random_range(0..4)];
            let (changes_at, kind) = (rng.random_range(100..4000), rng.random_range(0..6));
            let look = move |ms: u64| match (kind, ms < changes_at) {
                (0, _) => Look::print(resident.unwrap_or(ANN)),
                (1, true) => Look::print(ANN),
                (1, false) => Look::live(None),
                (2, true) => Look::turned(resident),
                (3, true) => Look::live(None),
                _ => Look::live(resident),
            };
            if kind % 2 == 0 { Actor::walks_up(from, until, x, look) } else { Actor::stands(from, until, x, look) }
        })
        .collect()
}
