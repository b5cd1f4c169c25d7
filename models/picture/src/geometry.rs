//! Points, boxes and polygons. Coordinates grow right and down; the name of a binding says in which space
//! (`_in_frame`, `_in_tensor`, `_in_crop`, normalised to 0–1).

/// A size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Size {
    /// A frame of the aspect that almost all cameras have, for what has to be known before a stream tells its own.
    pub const COMMON: Self = Self { width: 1920, height: 1080 };
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}×{}", self.width, self.height)
    }
}

/// A point in a plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Rightwards.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

impl Point {
    /// Euclidean distance.
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// An axis-aligned box: its top-left corner and its sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width, 0 or more.
    pub width: f32,
    /// Height, 0 or more.
    pub height: f32,
}

impl Rect {
    /// The box between two corners; sides that would be negative are 0.
    pub fn from_corners(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self { x: left, y: top, width: (right - left).max(0.0), height: (bottom - top).max(0.0) }
    }

    /// Right edge.
    pub fn right(&self) -> f32 {
        self.x + self.width
    }

    /// Bottom edge.
    pub fn bottom(&self) -> f32 {
        self.y + self.height
    }

    /// Width times height.
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// Where a standing person's box meets the ground: the middle of its bottom edge.
    pub fn foot(&self) -> Point {
        Point { x: self.x + self.width / 2.0, y: self.bottom() }
    }

    /// Middle of the box.
    pub fn centre(&self) -> Point {
        Point { x: self.x + self.width / 2.0, y: self.y + self.height / 2.0 }
    }

    /// The part of the box inside `0..width` × `0..height`.
    pub fn clamped(&self, bounds: Size) -> Self {
        let (w, h) = (bounds.width as f32, bounds.height as f32);
        Self::from_corners(
            self.x.clamp(0.0, w),
            self.y.clamp(0.0, h),
            self.right().clamp(0.0, w),
            self.bottom().clamp(0.0, h),
        )
    }

    /// Area that two boxes share.
    pub fn overlap(&self, other: &Self) -> f32 {
        Self::from_corners(
            self.x.max(other.x),
            self.y.max(other.y),
            self.right().min(other.right()),
            self.bottom().min(other.bottom()),
        )
        .area()
    }

    /// Intersection over union, 0–1; 0 where both boxes are empty.
    pub fn iou(&self, other: &Self) -> f32 {
        let overlap = self.overlap(other);
        let union = self.area() + other.area() - overlap;
        if union > 0.0 { overlap / union } else { 0.0 }
    }
}

/// A simple polygon in coordinates normalised to the picture: (0, 0) top left, (1, 1) bottom right.
#[derive(Debug, Clone, PartialEq)]
pub struct NormalisedPolygon(Vec<Point>);

/// Corners that make no zone.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum NormalisedPolygonError {
    /// Fewer than three corners.
    #[error("a polygon needs at least 3 corners, got {0}")]
    TooFewCorners(usize),
    /// A corner outside the picture, or not a number.
    #[error("corner {index} is ({x}, {y}); both must be between 0 and 1")]
    OutsidePicture {
        /// Which corner, from 0.
        index: usize,
        /// Its x.
        x: f32,
        /// Its y.
        y: f32,
    },
    /// Corners on one line.
    #[error("the polygon has no area")]
    NoArea,
}

impl NormalisedPolygon {
    /// A polygon from its corners, in order, either way round.
    ///
    /// # Errors
    /// If there are fewer than three, one lies outside 0–1, or they enclose nothing.
    pub fn new(corners: Vec<Point>) -> Result<Self, NormalisedPolygonError> {
        if corners.len() < 3 {
            return Err(NormalisedPolygonError::TooFewCorners(corners.len()));
        }
        let inside = 0.0..=1.0;
        if let Some((index, c)) =
            corners.iter().enumerate().find(|(_, c)| !inside.contains(&c.x) || !inside.contains(&c.y))
        {
            return Err(NormalisedPolygonError::OutsidePicture { index, x: c.x, y: c.y });
        }
        let polygon = Self(corners);
        if polygon.area() < 1e-6 { Err(NormalisedPolygonError::NoArea) } else { Ok(polygon) }
    }

    /// The whole picture.
    pub fn whole() -> Self {
        let corner = |x, y| Point { x, y };
        Self(vec![corner(0.0, 0.0), corner(1.0, 0.0), corner(1.0, 1.0), corner(0.0, 1.0)])
    }

    /// Its corners, in order.
    pub fn corners(&self) -> &[Point] {
        &self.0
    }

    fn edges(&self) -> impl Iterator<Item = (Point, Point)> {
        self.0.iter().copied().zip(self.0.iter().copied().cycle().skip(1))
    }

    /// Share of the picture that it covers, 0–1 (shoelace formula).
    pub fn area(&self) -> f32 {
        (self.edges().map(|(a, b)| a.x * b.y - b.x * a.y).sum::<f32>() / 2.0).abs()
    }

    /// Whether a normalised point lies inside (even-odd rule). Of two zones that share an edge, a point on it is in one
    /// of them, except along the picture's own right and bottom edges, where it is in neither.
    pub fn contains(&self, p: Point) -> bool {
        self.edges().fold(false, |inside, (a, b)| {
            let crosses = (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x;
            inside ^ crosses
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rect() -> impl Strategy<Value = Rect> {
        (-50f32..50.0, -50f32..50.0, 0.1f32..50.0, 0.1f32..50.0).prop_map(|(x, y, width, height)| Rect {
            x,
            y,
            width,
            height,
        })
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_bounded_and_one_with_itself(a in rect(), b in rect()) {
            prop_assert!((a.iou(&b) - b.iou(&a)).abs() < 1e-6);
            prop_assert!((0.0..=1.0 + 1e-5).contains(&a.iou(&b)));
            prop_assert!((a.iou(&a) - 1.0).abs() < 1e-4);
        }

        #[test]
        fn a_split_picture_holds_each_point_once(split in 0.1f32..0.9, x in 0f32..0.999, y in 0f32..0.999) {
            let half = |from: f32, to: f32| {
                let corner = |x, y| Point { x, y };
                NormalisedPolygon::new(vec![corner(from, 0.0), corner(to, 0.0), corner(to, 1.0), corner(from, 1.0)])
            };
            let left = half(0.0, split).expect("a rectangle");
            let right = half(split, 1.0).expect("a rectangle");
            let point = Point { x, y };
            prop_assert!(left.contains(point) ^ right.contains(point));
        }
    }

    #[test]
    fn a_polygon_must_be_one() {
        let at = |x, y| Point { x, y };
        assert_eq!(
            NormalisedPolygon::new(vec![at(0.0, 0.0), at(1.0, 1.0)]),
            Err(NormalisedPolygonError::TooFewCorners(2))
        );
        assert_eq!(
            NormalisedPolygon::new(vec![at(0.0, 0.0), at(0.5, 0.5), at(1.0, 1.0)]),
            Err(NormalisedPolygonError::NoArea)
        );
        assert!(matches!(
            NormalisedPolygon::new(vec![at(0.0, 0.0), at(0.5, f32::NAN), at(1.0, 1.0)]),
            Err(NormalisedPolygonError::OutsidePicture { index: 1, .. })
        ));
        assert!((NormalisedPolygon::whole().area() - 1.0).abs() < 1e-6);
    }
}
