//! Counting lines: crossings in each direction.

use gatehouse_picture::Point;

/// A counting line, in normalised coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossing {
    /// One end.
    pub from: Point,
    /// Other end.
    pub to: Point,
    /// A point on its inner side.
    pub inside: Point,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    In,
    Out,
}

impl Crossing {
    /// Direction in which feet crossed the line between two points, if they did. A person who stops
    /// on the line hasn't crossed it, so hovering there counts once.
    pub(crate) fn crossed(&self, before: Point, now: Point) -> Option<Way> {
        let (a, b) = (self.side(before), self.side(now));
        // The line belongs to the outer side.
        let inner = |side: f32| side * self.side(self.inside).signum() > 0.0;
        if inner(a) == inner(b) {
            return None;
        }
        let step = Self { from: before, to: now, inside: before };
        let (c, d) = (step.side(self.from), step.side(self.to));
        (c * d <= 0.0 && (c, d) != (0.0, 0.0)).then_some(if inner(b) { Way::In } else { Way::Out })
    }

    // Positive on one side, negative on the other.
    fn side(&self, point: Point) -> f32 {
        (self.to.x - self.from.x) * (point.y - self.from.y) - (self.to.y - self.from.y) * (point.x - self.from.x)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(x: f32, y: f32) -> Point {
        Point { x, y }
    }

    fn door() -> Crossing {
        Crossing { from: at(0.4, 0.5), to: at(0.6, 0.5), inside: at(0.5, 0.9) }
    }

    #[test]
    fn feet_cross_between_the_ends_only() {
        assert_eq!(door().crossed(at(0.5, 0.4), at(0.5, 0.6)), Some(Way::In));
        assert_eq!(door().crossed(at(0.5, 0.6), at(0.5, 0.4)), Some(Way::Out));
        assert_eq!(door().crossed(at(0.8, 0.4), at(0.8, 0.6)), None, "beside it");
        assert_eq!(door().crossed(at(0.5, 0.1), at(0.5, 0.4)), None);
    }

    proptest! {
        /// In and out alternate on any path.
        #[test]
        fn in_and_out_alternate(steps in proptest::collection::vec((0.45f32..0.55, 0.2f32..0.8), 2..40)) {
            let inside = |y: f32| y > 0.5;
            let (mut balance, start) = (0i32, inside(steps[0].1));
            for pair in steps.windows(2) {
                match door().crossed(at(pair[0].0, pair[0].1), at(pair[1].0, pair[1].1)) {
                    Some(Way::In) => balance += 1,
                    Some(Way::Out) => balance -= 1,
                    None => {}
                }
                prop_assert_eq!(i32::from(start) + balance, i32::from(inside(pair[1].1)));
            }
        }
    }
}
