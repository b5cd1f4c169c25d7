//! Points, boxes and polygons. Coordinates grow to the right and downwards.
//!
//! A binding's name states its coordinate space: `_in_frame`, `_in_tensor`, `_in_crop`, or
//! normalised to 0–1.

/// A size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Size {
    /// A frame with the usual aspect ratio of cameras, used before a stream's own size is known.
    pub const COMMON: Self = Self { width: 1920, height: 1080 };
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}×{}", self.width, self.height)
    }
}

/// A point in the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Distance from the left edge.
    pub x: f32,
    /// Distance from the top edge.
    pub y: f32,
}

impl Point {
    /// Euclidean distance.
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// An axis-aligned box.
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
    /// The box between two corners. A negative side becomes 0.
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

    /// The middle of the bottom edge: where a standing person's box meets the ground.
    pub fn foot(&self) -> Point {
        Point { x: self.x + self.width / 2.0, y: self.bottom() }
    }

    /// The middle of the box.
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

    /// Area of the intersection of two boxes.
    pub fn overlap(&self, other: &Self) -> f32 {
        Self::from_corners(
            self.x.max(other.x),
            self.y.max(other.y),
            self.right().min(other.right()),
            self.bottom().min(other.bottom()),
        )
        .area()
    }

    /// Intersection over union, 0–1; 0 if both boxes are empty.
    pub fn iou(&self, other: &Self) -> f32 {
        let overlap = self.overlap(other);
        let union = self.area() + other.area() - overlap;
        if union > 0.0 { overlap / union } else { 0.0 }
    }
}

/// A simple polygon in coordinates normalised to the picture: (0, 0) top left, (1, 1) bottom right.
#[derive(Debug, Clone, PartialEq)]
pub struct NormalisedPolygon(Vec<Point>);

/// Why corners do not form a polygon.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum NormalisedPolygonError {
    /// There are fewer than three corners.
    #[error("a polygon needs at least 3 corners, got {0}")]
    TooFewCorners(usize),
    /// A corner lies outside the picture, or is not a number.
    #[error("corner {index} is ({x}, {y}); both must be between 0 and 1")]
    OutsidePicture {
        /// Index of the corner, from 0.
        index: usize,
        /// Its x.
        x: f32,
        /// Its y.
        y: f32,
    },
    /// All corners lie on one line.
    #[error("the polygon has no area")]
    NoArea,
}

impl NormalisedPolygon {
    /// Creates a polygon from its corners, in either direction.
    ///
    /// # Errors
    /// If there are fewer than three corners, one lies outside 0–1, or they enclose no area.
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

    /// Share of the picture that the polygon covers, 0–1 (shoelace formula).
    pub fn area(&self) -> f32 {
        (self.edges().map(|(a, b)| a.x * b.y - b.x * a.y).sum::<f32>() / 2.0).abs()
    }

    /// True if a normalised point lies inside (even-odd rule).
    ///
    /// A point on a shared edge of two zones is in exactly one of them. On the picture's right and
    /// bottom edges it is in neither.
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
        fn each_point_of_a_split_picture_is_in_one_half(split in 0.1f32..0.9, x in 0f32..0.999, y in 0f32..0.999) {
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
    fn corners_that_form_no_polygon_are_refused() {
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
