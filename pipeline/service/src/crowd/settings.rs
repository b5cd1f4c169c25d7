//! Derives from a crowd camera's configuration what it counts, and in pictures of which size.

use std::time::Duration;

use gatehouse_config as config;
use gatehouse_core::zone::Zone;
use gatehouse_core::{CameraId, ThreadPriority};
use gatehouse_crowd::empty::Looking;
use gatehouse_crowd::flow::Crossing;
use gatehouse_crowd::ground::GroundPlane;
use gatehouse_crowd::rollup::SummedCamera;
use gatehouse_crowd::{CrowdOptions, CrowdReader, MOST_APART};
use gatehouse_people::SMALL_PX;
use gatehouse_picture::{NormalisedPolygon, Size};

use crate::NodeError;

/// The priority of decoding a crowd camera's stream: below gates, if the site has any.
pub(super) fn stream_priority(site: &config::Site) -> ThreadPriority {
    if site.gates.is_empty() { ThreadPriority::Normal } else { ThreadPriority::Idle }
}

/// The priority of analysing crowd cameras' frames: below decoding, because a frame that isn't
/// decoded in time is lost.
pub(crate) fn model_priority(site: &config::Site) -> ThreadPriority {
    if site.gates.is_empty() { ThreadPriority::Low } else { ThreadPriority::Idle }
}

/// What a crowd camera counts.
///
/// # Errors
/// If the ground calibration fits no camera or leaves a zone without ground.
pub fn options(id: &CameraId, camera: &config::CrowdCamera) -> Result<CrowdOptions, NodeError> {
    let plane = camera.ground.map(|calibration| GroundPlane::new(&calibration, Size::COMMON)).transpose();
    let plane = plane.map_err(|source| NodeError::Ground { camera: id.clone(), source })?;
    // The whole picture often shows sky, so only drawn zones must lie on the ground.
    let drawn = camera.zones.iter().filter(|zone| **zone != Zone::whole_picture());
    for zone in drawn.filter(|zone| zone.area_m2.is_none()) {
        if let Some(plane) = &plane {
            plane.area_m2(&zone.polygon).map_err(|source| NodeError::ZoneGround {
                camera: id.clone(),
                zone: zone.id.clone(),
                source,
            })?;
        }
    }
    let crossing = |line: &config::Line| Crossing { from: line.from, to: line.to, inside: line.inside };
    Ok(CrowdOptions {
        zones: camera.zones.clone(),
        excluded: camera.exclude.iter().chain(&camera.common.privacy).cloned().collect(),
        lines: camera.lines.iter().map(|line| (line.id.clone(), crossing(line))).collect(),
        ground: camera.ground,
        map_columns: camera.map_columns,
        map_rows: camera.map_rows,
        detail_px: detail_px(camera),
        min_score: camera.min_score,
        follows: Duration::from_secs_f64(1.0 / camera.analyse_fps) <= MOST_APART,
    })
}

/// Longer side of the person detector's pictures, in pixels: as configured, or else large enough to
/// detect people in the camera's zones, by its ground.
pub fn detail_px(camera: &config::CrowdCamera) -> usize {
    /// At most twice the cost of the default. `tiles` detect people who are farther away.
    const CHOSEN: std::ops::RangeInclusive<usize> = 416..=1024;
    /// The sides of the models' pictures are multiples of this.
    const STEP: usize = 32;
    camera.detail_px.unwrap_or_else(|| {
        let zones: Vec<NormalisedPolygon> = camera.zones.iter().map(|zone| zone.polygon.clone()).collect();
        let wanted = plane(camera).and_then(|plane| plane.longer_side_for_people(SMALL_PX, &zones, Size::COMMON));
        wanted.map_or(*CHOSEN.end(), |px| px.next_multiple_of(STEP).clamp(*CHOSEN.start(), *CHOSEN.end()))
    })
}

/// Longer side of the density model's pictures, in pixels. Heads have the size that the model
/// needs, if the camera's ground is known; otherwise it is the person detector's.
pub fn density_px(camera: &config::CrowdCamera, reader: &CrowdReader) -> usize {
    /// The range of `detail_px`.
    const LEAST_PX: usize = 256;
    const MOST_PX: usize = 2048;
    let known = plane(camera).zip(reader.head_px());
    let wanted = known.and_then(|(plane, head_px)| plane.longer_side_for_heads(head_px, Size::COMMON));
    wanted.map_or_else(|| detail_px(camera), |px| px.clamp(LEAST_PX, MOST_PX))
}

/// The ground in front of a camera. `None` if it isn't known, or fits no camera: [`options`]
/// refuses that.
fn plane(camera: &config::CrowdCamera) -> Option<GroundPlane> {
    camera.ground.and_then(|known| GroundPlane::new(&known, Size::COMMON).ok())
}

/// How the models of this name and version read a camera's pictures.
pub fn looking(camera: &config::CrowdCamera, model: &str, density_px: usize) -> Looking {
    Looking { model: model.to_owned(), detail_px: detail_px(camera), density_px, tiles: camera.tiles }
}

/// How a camera's counts enter the site's sum.
pub(crate) fn summed(camera: &config::CrowdCamera) -> SummedCamera {
    /// Missing counts, and the shortest time, until the sum leaves a camera out. Under load
    /// shedding a key frame may come every 10 s.
    const MISSED: f64 = 3.0;
    const LEAST: Duration = Duration::from_secs(15);
    SummedCamera {
        camera: camera.id.clone(),
        in_total: camera.in_total,
        silent_after: Duration::from_secs_f64(MISSED / camera.analyse_fps).max(LEAST),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use gatehouse_core::ground::GroundCalibration::Mounting;
    use gatehouse_picture::Point;

    use super::*;

    #[test]
    fn the_ground_and_the_zones_choose_the_size_of_the_picture() {
        let minimal = include_str!("../../../../config/examples/minimal.toml");
        let mut site = config::Site::parse(minimal, Path::new("site.toml")).expect("an example");
        let camera = site.crowds.first_mut().expect("it has a crowd camera");
        assert_eq!(detail_px(camera), 768, "the default");
        camera.detail_px = None;
        let mut seen_from = |height_m: f64, tilt_deg: f64| {
            camera.ground = Some(Mounting { height_m, tilt_deg, field_of_view_deg: 70.0 });
            detail_px(camera)
        };
        let (door, square, skyline) = (seen_from(3.0, 40.0), seen_from(8.0, 40.0), seen_from(30.0, 10.0));
        assert_eq!((door, skyline), (416, 1024), "no less, and no more");
        assert!((600..900).contains(&square) && square.is_multiple_of(32), "{square}");
        camera.ground = Some(Mounting { height_m: 8.0, tilt_deg: 40.0, field_of_view_deg: 70.0 });
        let near = [(0.0, 0.7), (1.0, 0.7), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y });
        camera.zones[0].polygon = NormalisedPolygon::new(near.to_vec()).expect("a rectangle");
        assert!(detail_px(camera) < square, "people who are near are large");
        camera.detail_px = Some(500);
        assert_eq!(detail_px(camera), 500, "as configured");
    }
}
