//! Ground calibration: maps the picture to flat ground, and gives areas and apparent heights.
//!
//! The model is a pinhole camera without distortion, with a central principal point and square
//! pixels. Four known points give the homography in closed form (Heckbert: "Fundamentals of texture
//! mapping and image warping", 1989, section 2.2.3), and the homography gives the focal length
//! (Zhang: "A flexible new technique for camera calibration", 2000, section 3.1).

use gatehouse_core::ground::GroundCalibration;
use gatehouse_picture::{NormalisedPolygon, Point, Size};
use glam::{DMat3, DVec2, DVec3};

/// Height of the middle of a standing person's head, in metres, averaged over all ages.
const HEAD_M: f64 = 1.55;
/// Height of a standing person, in metres, averaged over all ages.
const PERSON_M: f64 = 1.65;
/// Height of a head from chin to crown, in metres.
const HEAD_HEIGHT_M: f64 = 0.23;
/// Focal length of a 60° lens, for cameras that look straight down: four points don't give it.
const COMMON_FOCAL: f64 = 0.866;
/// Range for lenses of 7° to 103° across. Points that need another lens were measured badly.
const FOCALS: std::ops::RangeInclusive<f64> = 0.4..=8.0;
/// Greatest distance of ground, in metres; beyond is the horizon.
const FARTHEST_M: f64 = 1000.0;

/// A calibration that is impossible, or fits no zone.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum GroundError {
    /// Three of the four points are collinear, or their sides cross.
    #[error("the four points must be the corners of a convex shape, in one order in the picture and on the ground")]
    Degenerate,
    /// An area above the horizon.
    #[error("it reaches above the horizon of the ground calibration, where there is no ground")]
    AboveHorizon,
}

/// A camera above flat ground.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundPlane {
    /// Homography from the ground in metres to the picture, in widths from its middle. The third
    /// coordinate is the depth in metres.
    to_picture: DMat3,
    from_picture: DMat3,
    /// The same for the plane of heads.
    heads_from_picture: DMat3,
    /// Change of a picture point per metre upwards, in homogeneous coordinates.
    upwards: DVec3,
    /// Focal length in widths of the picture.
    focal: f64,
    /// Height of the picture divided by its width.
    aspect: f64,
}

impl GroundPlane {
    /// Makes the plane for pictures with the aspect of `frame`.
    ///
    /// # Errors
    /// If the four points fit no camera.
    pub fn new(calibration: &GroundCalibration, frame: Size) -> Result<Self, GroundError> {
        let aspect = frame.height as f64 / frame.width as f64;
        let (to_picture, upwards, focal) = match calibration {
            GroundCalibration::Points(points) => from_points(points, aspect).ok_or(GroundError::Degenerate)?,
            GroundCalibration::Mounting { height_m, tilt_deg, field_of_view_deg } => {
                mounted(*height_m, tilt_deg.to_radians(), field_of_view_deg.to_radians())
            }
        };
        // A plane parallel to the ground has the same axes and a higher origin.
        let heads = DMat3::from_cols(to_picture.x_axis, to_picture.y_axis, to_picture.z_axis + HEAD_M * upwards);
        let heads_from_picture = heads.inverse();
        Ok(Self { to_picture, from_picture: to_picture.inverse(), heads_from_picture, upwards, focal, aspect })
    }

    /// Feet below a normalised head, maybe outside the picture. None from the heads' horizon up.
    pub fn foot_below_head(&self, head: Point) -> Option<Point> {
        let ground = self.on_plane(&self.heads_from_picture, head)?;
        Some(self.in_picture(ground, 0.0))
    }

    /// Apparent height of a head at a normalised point, in heights of the picture; none at or above
    /// the horizon of heads. From straight above it is the visible length.
    pub fn head_height(&self, head: Point) -> Option<f32> {
        let ground = self.on_plane(&self.heads_from_picture, head)?;
        let (crown, chin) = (HEAD_M + HEAD_HEIGHT_M / 2.0, HEAD_M - HEAD_HEIGHT_M / 2.0);
        let upright = self.distance(self.in_picture(ground, crown), self.in_picture(ground, chin));
        let depth = (self.to_picture * ground.extend(1.0) + HEAD_M * self.upwards).z;
        // From straight above, a head has a length and no height.
        Some(upright.max((0.8 * HEAD_HEIGHT_M * self.focal / depth / self.aspect) as f32))
    }

    /// Apparent height of a person who stands at a normalised point, in heights of the picture;
    /// none at or above the horizon.
    pub fn person_height(&self, foot: Point) -> Option<f32> {
        let ground = self.on_plane(&self.from_picture, foot)?;
        Some(self.distance(self.in_picture(ground, PERSON_M), self.in_picture(ground, 0.0)))
    }

    /// Longer side at which the median head has a height of `head_px`, both in pixels, for the
    /// aspect of `frame`. None if the picture shows no ground.
    pub fn longer_side_for_heads(&self, head_px: f32, frame: Size) -> Option<usize> {
        let mut heights: Vec<f32> = places().filter_map(|head| self.head_height(head)).collect();
        heights.sort_by(f32::total_cmp);
        let median = *heights.get(heights.len() / 2)?;
        Some((head_px / median * longer_side(frame)).round() as usize)
    }

    /// Longer side at which people in the zones are at least `person_px` high, in pixels, without
    /// the zones' farthest quarter, as people vanish towards the horizon. None without ground.
    pub fn longer_side_for_people(&self, person_px: f32, zones: &[NormalisedPolygon], frame: Size) -> Option<usize> {
        let feet = places().filter(|foot| zones.iter().any(|zone| zone.contains(*foot)));
        let mut heights: Vec<f32> = feet.filter_map(|foot| self.person_height(foot)).collect();
        heights.sort_by(f32::total_cmp);
        let small = *heights.get(heights.len() / 4)?;
        Some((person_px / small * longer_side(frame)).round() as usize)
    }

    /// Ground area of a zone in square metres.
    ///
    /// # Errors
    /// If it reaches above the horizon.
    pub fn area_m2(&self, zone: &NormalisedPolygon) -> Result<f64, GroundError> {
        // Straight lines stay straight on the ground, so the corners are enough.
        let on_ground = |corner: &Point| self.on_plane(&self.from_picture, *corner).ok_or(GroundError::AboveHorizon);
        let corners = zone.corners().iter().map(on_ground).collect::<Result<Vec<_>, _>>()?;
        let next = corners.iter().cycle().skip(1);
        Ok((corners.iter().zip(next).map(|(a, b)| a.perp_dot(*b)).sum::<f64>() / 2.0).abs())
    }

    /// Share of a zone's ground, 0–1, that no exclusion covers: samples weighted by ground area.
    pub fn share_that_counts(&self, zone: &NormalisedPolygon, excluded: &[NormalisedPolygon]) -> f64 {
        /// Samples along each side of the picture.
        const PLACES: usize = 128;
        if excluded.is_empty() {
            return 1.0;
        }
        let (mut all, mut counts) = (0.0, 0.0);
        for row in 0..PLACES {
            for column in 0..PLACES {
                let [x, y] = [column, row].map(|i| (i as f32 + 0.5) / PLACES as f32);
                let at = Point { x, y };
                let Some(depth) = self.depth(at).filter(|_| zone.contains(at)) else { continue };
                // The ground area of a picture area grows with the third power of the distance.
                let weight = depth.powi(3);
                all += weight;
                counts += if excluded.iter().any(|part| part.contains(at)) { 0.0 } else { weight };
            }
        }
        if all > 0.0 { counts / all } else { 1.0 }
    }

    /// Depth of a ground place along the camera's axis, in any unit.
    fn depth(&self, point: Point) -> Option<f64> {
        let at = self.from_picture * centred(point, self.aspect).extend(1.0);
        (at.z > 1.0 / FARTHEST_M).then(|| 1.0 / at.z)
    }

    fn on_plane(&self, from_picture: &DMat3, point: Point) -> Option<DVec2> {
        let at = from_picture * centred(point, self.aspect).extend(1.0);
        (at.z > 1.0 / FARTHEST_M).then(|| at.truncate() / at.z)
    }

    fn in_picture(&self, ground: DVec2, height_m: f64) -> Point {
        let at = self.to_picture * ground.extend(1.0) + height_m * self.upwards;
        let DVec2 { x, y } = at.truncate() / at.z;
        Point { x: (x + 0.5) as f32, y: (y / self.aspect + 0.5) as f32 }
    }

    // In heights of the picture.
    fn distance(&self, a: Point, b: Point) -> f32 {
        ((a.x - b.x) / self.aspect as f32).hypot(a.y - b.y)
    }
}

fn places() -> impl Iterator<Item = Point> {
    /// Points along each side.
    const PLACES: usize = 24;
    let middle = |i: usize| (i as f32 + 0.5) / PLACES as f32;
    (0..PLACES * PLACES).map(move |i| Point { x: middle(i % PLACES), y: middle(i / PLACES) })
}

/// Distance in heights of the picture.
fn longer_side(frame: Size) -> f32 {
    frame.width.max(frame.height) as f32 / frame.height as f32
}

fn centred(point: Point, aspect: f64) -> DVec2 {
    DVec2::new(f64::from(point.x) - 0.5, (f64::from(point.y) - 0.5) * aspect)
}

// Camera axes: right, down, forward. Ground axes: right, forward, up, from the point below the
// lens.
fn mounted(height_m: f64, tilt: f64, field_of_view: f64) -> (DMat3, DVec3, f64) {
    let (sin, cos) = tilt.sin_cos();
    let focal = 0.5 / (field_of_view / 2.0).tan();
    let lens = DVec3::new(focal, focal, 1.0);
    let right = DVec3::X;
    let forward = DVec3::new(0.0, -sin, cos);
    let origin = DVec3::new(0.0, height_m * cos, height_m * sin);
    let up = DVec3::new(0.0, -cos, -sin);
    (DMat3::from_cols(lens * right, lens * forward, lens * origin), lens * up, focal)
}

fn from_points(points: &[(Point, [f64; 2]); 4], aspect: f64) -> Option<(DMat3, DVec3, f64)> {
    let picture = points.map(|(point, _)| centred(point, aspect));
    let ground = points.map(|(_, place)| DVec2::from(place));
    let homography = from_square(picture)? * from_square(ground)?.inverse();
    let (h1, h2) = (homography.x_axis, homography.y_axis);
    // The ground's axes are orthogonal and equally long: two equations in 1/focal², least squares.
    let (flat1, flat2) = (h1.truncate(), h2.truncate());
    let (a, b) = (flat1.dot(flat2), flat1.length_squared() - flat2.length_squared());
    let (c, d) = (h1.z * h2.z, h1.z * h1.z - h2.z * h2.z);
    let focal = (-(a * c + b * d) / (a * a + b * b)).sqrt().recip();
    let focal = if FOCALS.contains(&focal) { focal } else { COMMON_FOCAL };
    let lens = DVec3::new(focal, focal, 1.0);
    let (axis1, axis2, origin) = (h1 / lens, h2 / lens, homography.z_axis / lens);
    let depth = (homography * ground[0].extend(1.0)).z;
    let metric = depth.signum() / (axis1.length() * axis2.length()).sqrt();
    let (axis1, axis2, origin) = (metric * axis1, metric * axis2, metric * origin);
    let normal = axis1.cross(axis2).normalize();
    // The camera is above the ground.
    let up = if normal.dot(origin) < 0.0 { normal } else { -normal };
    let plane = DMat3::from_cols(lens * axis1, lens * axis2, lens * origin);
    (plane.is_finite() && up.is_finite()).then_some((plane, lens * up, focal))
}

// From the unit square's corners, in order, to those of a convex quadrilateral.
fn from_square(corners: [DVec2; 4]) -> Option<DMat3> {
    let turn = |i: usize| {
        let [a, b, c] = [corners[i], corners[(i + 1) % 4], corners[(i + 2) % 4]];
        (b - a).perp_dot(c - b) / ((b - a).length() * (c - b).length())
    };
    // Corners of almost 180° give an almost singular map.
    let turns = [0, 1, 2, 3].map(turn);
    if !(turns.iter().all(|turn| *turn > 1e-3) || turns.iter().all(|turn| *turn < -1e-3)) {
        return None;
    }
    let [p0, p1, p2, p3] = corners;
    let (side1, side2, skew) = (p1 - p2, p3 - p2, p0 - p1 + p2 - p3);
    let area = side1.perp_dot(side2);
    let (g, h) = (skew.perp_dot(side2) / area, side1.perp_dot(skew) / area);
    Some(DMat3::from_cols((p1 - p0 + g * p1).extend(g), (p3 - p0 + h * p3).extend(h), p0.extend(1.0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: Size = Size { width: 1280, height: 720 };

    impl GroundPlane {
        fn ground_at(&self, point: Point) -> Option<[f64; 2]> {
            self.on_plane(&self.from_picture, point).map(Into::into)
        }
    }

    fn at(x: f32, y: f32) -> Point {
        Point { x, y }
    }

    fn mounting(height_m: f64, tilt_deg: f64, field_of_view_deg: f64) -> GroundPlane {
        GroundPlane::new(&GroundCalibration::Mounting { height_m, tilt_deg, field_of_view_deg }, FRAME)
            .expect("a camera")
    }

    #[test]
    fn a_mounting_equals_a_calculation_by_hand() {
        // The axis meets the ground in the picture's middle: at 45°, as far away as the lens is
        // high.
        let plane = mounting(6.0, 45.0, 60.0);
        let [x, y] = plane.ground_at(at(0.5, 0.5)).expect("ground");
        assert!(x.abs() < 1e-9 && (y - 6.0).abs() < 1e-9, "({x}, {y})");
        // A level camera has its horizon in the middle.
        let level = mounting(6.0, 0.0, 60.0);
        assert_eq!(level.ground_at(at(0.5, 0.499)), None);
        assert!(level.ground_at(at(0.5, 0.6)).is_some());
        // Straight down from 10 m with 90° across: 20 m by 11.25 m.
        let down = mounting(10.0, 90.0, 90.0);
        assert!((down.area_m2(&NormalisedPolygon::whole()).expect("all ground") - 225.0).abs() < 1e-6);
        assert_eq!(level.area_m2(&NormalisedPolygon::whole()), Err(GroundError::AboveHorizon));
    }

    #[test]
    fn heads_have_the_right_height() {
        // Level, at head height, 10 m away: 0.23 m of 10 m · 2 · tan(30°) across.
        let level = mounting(HEAD_M + 1.0, 0.0, 60.0);
        let depth = 10.0;
        let below = 1.0 / (2.0 * depth * 30f64.to_radians().tan() * 9.0 / 16.0);
        let head = at(0.5, 0.5 + below as f32);
        let expected = 0.23 / (2.0 * depth * 30f64.to_radians().tan() * 9.0 / 16.0);
        let height = level.head_height(head).expect("below the horizon");
        assert!((f64::from(height) - expected).abs() < 1e-5, "{height} instead of {expected}");
        let foot = level.foot_below_head(head).expect("below the horizon");
        let [x, y] = level.ground_at(foot).expect("ground");
        assert!(x.abs() < 1e-6 && (y - depth).abs() < 1e-3, "({x}, {y})");
    }

    #[test]
    fn the_picture_is_large_enough_for_heads() {
        // From straight above all heads have the same height: 0.8 · 0.23 m of 20 m less their
        // height, across 90°.
        let down = mounting(10.0, 90.0, 90.0);
        let across: f64 = 0.8 * 0.23 / (2.0 * (10.0 - 1.55));
        let expected = (12.0 / across).round() as usize;
        let px = down.longer_side_for_heads(12.0, FRAME).expect("all ground");
        assert!(px.abs_diff(expected) <= 2, "{px} instead of {expected}");
        let twice = down.longer_side_for_heads(24.0, FRAME).expect("all ground");
        assert!(twice.abs_diff(2 * px) <= 2, "{twice} instead of twice {px}");
        // A camera above all heads that looks up sees none.
        assert_eq!(mounting(10.0, -60.0, 40.0).longer_side_for_heads(12.0, FRAME), None);
    }

    #[test]
    fn the_picture_is_large_enough_for_people_in_zones() {
        // Level, 3 m up: a person with feet a quarter of the picture's height below its middle has
        // 1.65 / 3 of that height.
        let level = mounting(3.0, 0.0, 60.0);
        let strip = |top: f32| {
            NormalisedPolygon::new(vec![at(0.0, top), at(1.0, top), at(1.0, top + 0.04), at(0.0, top + 0.04)])
        };
        let zone = strip(0.71).expect("a polygon");
        let row = 17.5 / 24.0 - 0.5; // The only row of places in it.
        let expected = (50.0 / (1.65 / 3.0 * row) * 16.0 / 9.0) as usize;
        let px = level.longer_side_for_people(50.0, std::slice::from_ref(&zone), FRAME).expect("ground");
        assert!(px.abs_diff(expected) <= 2, "{px} instead of {expected}");
        let farther = strip(0.6).expect("a polygon");
        let both = level.longer_side_for_people(50.0, &[zone, farther], FRAME).expect("ground");
        assert!(both > px, "{both} for those farther away, {px} for the nearer");
        let sky = strip(0.2).expect("a polygon");
        assert_eq!(level.longer_side_for_people(50.0, &[sky], FRAME), None);
    }

    #[test]
    fn points_without_a_convex_shape_are_refused() {
        let square = [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]];
        let with = |points: [Point; 4]| {
            let pairs = [0, 1, 2, 3].map(|i| (points[i], square[i]));
            GroundPlane::new(&GroundCalibration::Points(pairs), FRAME)
        };
        let line = [at(0.1, 0.5), at(0.3, 0.5), at(0.5, 0.5), at(0.2, 0.8)];
        assert_eq!(with(line), Err(GroundError::Degenerate));
        let crossing = [at(0.1, 0.5), at(0.9, 0.9), at(0.9, 0.5), at(0.1, 0.9)];
        assert_eq!(with(crossing), Err(GroundError::Degenerate));
        assert!(with([at(0.3, 0.5), at(0.7, 0.5), at(0.9, 0.9), at(0.1, 0.9)]).is_ok());
    }

    proptest! {
        #[test]
        fn four_points_give_their_camera(
            height_m in 2f64..30.0, tilt_deg in 8f64..80.0, field_of_view_deg in 30f64..90.0,
            turned_deg in 0f64..360.0, mirrored in any::<bool>(), x in 0.05f32..0.95, y in 0.55f32..0.95,
        ) {
            let truth = mounting(height_m, tilt_deg, field_of_view_deg);
            let corners = [at(0.2, 0.6), at(0.75, 0.55), at(0.9, 0.95), at(0.1, 0.9)];
            prop_assume!(corners.iter().all(|corner| truth.ground_at(*corner).is_some_and(|[_, y]| y < 300.0)));
            // The points may start anywhere and run in either direction.
            let (sin, cos) = turned_deg.to_radians().sin_cos();
            let pairs = corners.map(|corner| {
                let [x, y] = truth.ground_at(corner).expect("just seen");
                let x = if mirrored { -x } else { x };
                (corner, [x * cos - y * sin + 7.0, x * sin + y * cos - 3.0])
            });
            let found = GroundPlane::new(&GroundCalibration::Points(pairs), FRAME).expect("a camera");
            let zone = NormalisedPolygon::new(corners.to_vec()).expect("a polygon");
            let (area, expected) = (found.area_m2(&zone).expect("ground"), truth.area_m2(&zone).expect("ground"));
            prop_assert!((area / expected - 1.0).abs() < 1e-3, "{area} m² instead of {expected}");
            let head = at(x, y);
            if let (Some(foot), Some(expected)) = (found.foot_below_head(head), truth.foot_below_head(head)) {
                let off = foot.distance(expected) / (1.0 + expected.y.abs());
                prop_assert!(off < 2e-2, "{foot:?} instead of {expected:?}");
                let (height, expected) = (found.head_height(head), truth.head_height(head));
                let (height, expected) = (height.expect("as above"), expected.expect("as above"));
                prop_assert!((height / expected - 1.0).abs() < 3e-2, "{height} instead of {expected}");
            }
        }
    }
}
