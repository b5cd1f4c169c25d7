//! The people who move in front of the gate.

use gatehouse_credential::PersonId;
use gatehouse_faces::Face;
use gatehouse_picture::{Point, Rect};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub(crate) const ANN: PersonId = PersonId::from_u128(1);
pub(crate) const BOB: PersonId = PersonId::from_u128(2);

/// Appearance of an actor at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Appearance {
    /// The enrolled person whose face it is; `None` for a stranger.
    pub(crate) who: Option<PersonId>,
    /// False for a picture of a face.
    pub(crate) is_live: bool,
    /// False if the face cannot be recognised.
    pub(crate) is_usable: bool,
    /// False if the detector cannot find the face.
    pub(crate) is_visible: bool,
}

impl Appearance {
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

/// A person, or a thing, with a face.
pub(crate) struct Actor {
    from_ms: u64,
    until_ms: u64,
    path: Path,
    appearance: Box<dyn Fn(u64) -> Appearance>,
}

impl Actor {
    fn new(
        from_ms: u64,
        until_ms: u64,
        path: impl Fn(u64) -> (f32, f32) + 'static,
        appearance: impl Fn(u64) -> Appearance + 'static,
    ) -> Self {
        Self { from_ms, until_ms, path: Box::new(path), appearance: Box::new(appearance) }
    }

    /// Walks up within two seconds, and stands. `appearance` gets the milliseconds since they came.
    pub(crate) fn walks_up(
        from_ms: u64,
        until_ms: u64,
        x: f32,
        appearance: impl Fn(u64) -> Appearance + 'static,
    ) -> Self {
        let grows = |ms: u64| 22.0 + 48.0 * (ms as f32 / 2000.0).min(1.0);
        // A face grows to both sides of its middle.
        Self::new(from_ms, until_ms, move |ms| (x - grows(ms) * 1.25, grows(ms)), appearance)
    }

    pub(crate) fn stands(
        from_ms: u64,
        until_ms: u64,
        x: f32,
        appearance: impl Fn(u64) -> Appearance + 'static,
    ) -> Self {
        Self::new(from_ms, until_ms, move |ms| (x + 6.0 * (ms as f32 / 300.0).sin(), 60.0), appearance)
    }

    pub(crate) fn far(from_ms: u64, until_ms: u64, x: f32) -> Self {
        Self::new(from_ms, until_ms, move |_| (x, 25.0), |_| Appearance::live(None))
    }

    /// Goes from one place to the other within 0.6 seconds.
    pub(crate) fn crosses(
        from_ms: u64,
        until_ms: u64,
        from_x: f32,
        to_x: f32,
        appearance: impl Fn(u64) -> Appearance + 'static,
    ) -> Self {
        let path = move |ms: u64| (from_x + (to_x - from_x) * (ms as f32 / 600.0).min(1.0), 60.0);
        Self::new(from_ms, until_ms, path, appearance)
    }

    /// The face and its appearance at a moment; `None` if it is not visible.
    pub(crate) fn at(&self, ms: u64) -> Option<(Face, Appearance)> {
        let since = ms.checked_sub(self.from_ms).filter(|_| ms < self.until_ms)?;
        let (x, eye_distance) = (self.path)(since);
        let p = |dx: f32, dy: f32| Point { x: x + dx * eye_distance, y: 200.0 + dy * eye_distance };
        let face = Face {
            box_in_frame: Rect { x, y: 130.0, width: 2.5 * eye_distance, height: 3.0 * eye_distance },
            score: 0.9,
            landmarks_in_frame: [p(0.7, 0.0), p(1.7, 0.0), p(1.2, 0.6), p(0.8, 1.2), p(1.6, 1.2)],
        };
        Some((face, (self.appearance)(since))).filter(|(_, appearance)| appearance.is_visible)
    }
}

/// A minute of people who come, stand, turn away, show prints of residents, change places and
/// leave.
pub(crate) fn crowd(seed: u64) -> Vec<Actor> {
    let mut rng = StdRng::seed_from_u64(seed ^ 0xc0de);
    (0..30)
        .map(|_| {
            let from = rng.random_range(0..55_000);
            let until = from + rng.random_range(500..12_000);
            let x = 150.0 + 200.0 * rng.random_range(0..4) as f32;
            let resident = [None, Some(ANN), Some(BOB), Some(PersonId::from_u128(3))][rng.random_range(0..4)];
            let (changes_at, kind) = (rng.random_range(100..4000), rng.random_range(0..6));
            let appearance = move |ms: u64| match (kind, ms < changes_at) {
                (0, _) => Appearance::print(resident.unwrap_or(ANN)),
                (1, true) => Appearance::print(ANN),
                (1, false) => Appearance::live(None),
                (2, true) => Appearance::turned(resident),
                (3, true) => Appearance::live(None),
                _ => Appearance::live(resident),
            };
            if kind % 2 == 0 {
                Actor::walks_up(from, until, x, appearance)
            } else {
                Actor::stands(from, until, x, appearance)
            }
        })
        .collect()
}
