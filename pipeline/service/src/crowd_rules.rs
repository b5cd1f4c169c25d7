//! From a crowd camera's configuration to what it counts.

use std::time::Duration;

use gatehouse_config as config;
use gatehouse_core::{CameraId, LineId, Urgency, ZoneId};
use gatehouse_crowd::empty::Looking;
use gatehouse_crowd::flow::Crossing;
use gatehouse_crowd::ground::{GroundCalibration, GroundPlane};
use gatehouse_crowd::rollup::SummedCamera;
use gatehouse_crowd::{CrowdOptions, LevelUnit, MOST_APART, SurgeRule, Thresholds, Zone};
use gatehouse_models::PeopleReader;
use gatehouse_picture::{NormalisedPolygon, Point, Size};

use crate::NodeError;

/// How urgent it is to decode a crowd camera's stream: behind whatever a gate needs, if the site has one.
pub(crate) fn stream_urgency(site: &config::Site) -> Urgency {
    if site.gates.is_empty() { Urgency::First } else { Urgency::Last }
}

/// How urgent it is to look at crowd cameras' frames: behind decoding, for a frame that isn't decoded in time is lost.
pub(crate) fn model_urgency(site: &config::Site) -> Urgency {
    if site.gates.is_empty() { Urgency::Second } else { Urgency::Last }
}

/// What a crowd camera counts.
///
/// # Errors
/// If a polygon encloses nothing, or the ground calibration fits no camera or leaves a zone without ground.
pub fn options(id: &CameraId, camera: &config::CrowdCamera) -> Result<CrowdOptions, NodeError> {
    let calibration = camera.ground.as_ref().map(ground);
    let plane = calibration.map(|calibration| GroundPlane::new(&calibration, Size::COMMON)).transpose();
    let plane = plane.map_err(|source| NodeError::Ground { camera: id.clone(), source })?;
    let zone = |zone: &config::Zone| {
        let polygon = polygon(id, &zone.polygon, &zone.id)?;
        // Only a zone that somebody drew is asked for ground: the whole picture often has sky.
        let drawn = *zone != config::Zone::all();
        if let (Some(plane), true, None) = (&plane, drawn, zone.area_m2) {
            plane.area_m2(&polygon).map_err(|source| NodeError::ZoneGround {
                camera: id.clone(),
                zone: zone.id.clone(),
                source,
            })?;
        }
        Ok(Zone {
            id: ZoneId::new(&zone.id),
            polygon,
            area_m2: zone.area_m2,
            thresholds: zone.levels.map(thresholds),
            surge: zone.surge.map(|surge| SurgeRule { people: surge.people, within: surge.within }),
        })
    };
    let black = camera.stream.privacy.iter().map(|part| polygon(id, part, "privacy"));
    let excluded = camera.exclude.iter().map(|part| polygon(id, part, "exclude")).chain(black);
    let excluded = excluded.collect::<Result<Vec<_>, NodeError>>()?;
    let line = |line: &config::Line| {
        let crossing = Crossing { from: point(&line.from), to: point(&line.to), inside: point(&line.inside) };
        (LineId::new(&line.id), crossing)
    };
    Ok(CrowdOptions {
        zones: camera.zones.iter().map(zone).collect::<Result<_, NodeError>>()?,
        excluded,
        lines: camera.lines.iter().map(line).collect(),
        ground: calibration,
        map_columns: u16::try_from(camera.map_columns).unwrap_or(u16::MAX),
        map_rows: u16::try_from(camera.map_rows).unwrap_or(u16::MAX),
        detail_px: camera.detail_px,
        min_score: camera.min_score,
        follows: Duration::from_secs_f64(1.0 / camera.analyse_fps) <= MOST_APART,
    })
}

/// Longer side of a camera's pictures as the model sees them that measures the density, in pixels: so that heads have the size which
/// that model wants, where the camera's ground is known; else as the person detector sees them.
pub fn density_px(camera: &config::CrowdCamera, reader: &PeopleReader) -> usize {
    /// As `detail_px` may be.
    const LEAST_PX: usize = 256;
    const MOST_PX: usize = 2048;
    let plane = camera.ground.as_ref().and_then(|known| GroundPlane::new(&ground(known), Size::COMMON).ok());
    let wanted =
        plane.zip(reader.head_px()).and_then(|(plane, head_px)| plane.longer_side_for_heads(head_px, Size::COMMON));
    wanted.map_or(camera.detail_px, |px| px.clamp(LEAST_PX, MOST_PX))
}

/// How a camera's pictures are looked at, by models of this name and version.
pub fn looking(camera: &config::CrowdCamera, model: &str, density_px: usize) -> Looking {
    Looking { model: model.to_owned(), detail_px: camera.detail_px, density_px, tiles: camera.tiles }
}

/// How a camera's counts are summed up with those of the others.
pub(crate) fn summed(camera: &config::CrowdCamera) -> SummedCamera {
    /// Counts that may be missing, and for at least so long: one that is spared may have a key frame in 10 s.
    const MISSED: f64 = 3.0;
    const LEAST: Duration = Duration::from_secs(15);
    SummedCamera {
        camera: CameraId::new(&camera.id),
        in_total: camera.in_total,
        silent_after: Duration::from_secs_f64(MISSED / camera.analyse_fps).max(LEAST),
    }
}

/// A polygon of the configuration, which is called `what`.
pub(crate) fn polygon(id: &CameraId, corners: &[config::Point], what: &str) -> Result<NormalisedPolygon, NodeError> {
    let corners = corners.iter().map(point).collect();
    NormalisedPolygon::new(corners).map_err(|source| NodeError::Zone {
        camera: id.clone(),
        zone: what.to_owned(),
        source,
    })
}

fn point(at: &config::Point) -> Point {
    Point { x: at.x, y: at.y }
}

fn ground(ground: &config::Ground) -> GroundCalibration {
    match ground {
        config::Ground::Points(pairs) => {
            GroundCalibration::Points(pairs.map(|(in_picture, metres)| (point(&in_picture), metres)))
        }
        config::Ground::Mounting { height_m, tilt_deg, field_of_view_deg } => GroundCalibration::Mounting {
            height_m: *height_m,
            tilt_deg: *tilt_deg,
            field_of_view_deg: *field_of_view_deg,
        },
    }
}

fn thresholds(levels: config::Levels) -> Thresholds {
    Thresholds {
        medium: levels.medium,
        high: levels.high,
        critical: levels.critical,
        unit: match levels.unit {
            config::LevelUnit::People => LevelUnit::People,
            config::LevelUnit::PeoplePerM2 => LevelUnit::PeoplePerM2,
        },
        hold: levels.hold,
    }
}
