//! The `[[crowd]]` tables of a site file.
//!
//! [`CrowdCamera`] has no field for a face model, a threshold or a gallery. A gate camera has,
//!
//! ```
//! fn threshold(camera: &gatehouse_config::GateCamera) -> Option<f32> {
//!     camera.match_threshold
//! }
//! ```
//!
//! and a crowd camera does not:
//!
//! ```compile_fail,E0609
//! fn threshold(camera: &gatehouse_config::CrowdCamera) -> Option<f32> {
//!     camera.match_threshold
//! }
//! ```

use std::time::Duration;

use gatehouse_core::ground::GroundCalibration;
use gatehouse_core::zone::{LevelUnit, SurgeRule, Thresholds, Zone};
use gatehouse_core::{CameraId, LineId, ZoneId};
use gatehouse_picture::{NormalisedPolygon, Point};

use crate::camera::CameraSettings;
use crate::kind::{Kind, TITLE, integer, number, points, seconds};
use crate::raw_value::RawValue;
use crate::reader::{Draft, Table, TableReader};
use crate::table;
use crate::value::{FromToml, KeyType};

table! {
    /// A camera over a place: it counts people and never learns who anyone is. It has no key for
    /// faces.
    pub struct CrowdCamera = "[[crowd]]", complete complete_crowd {
        /// The camera's name on the bus, unique among all cameras of the site.
        id: CameraId, required, example "east-1", change CameraRestart;
        /// What every camera has: its name and its stream.
        common: CameraSettings, flattened;
        /// How many frames per second are analysed. If the camera sends key frames as often, only
        /// key frames are decoded. Otherwise every frame is decoded, and those between are dropped.
        analyse_fps: f64 = number(0.1..=60.0).unit("frames per second"), default 2.0, example 1.0,
            change Live;
        /// The longer side of the picture in which people are searched for. A larger picture shows
        /// smaller people and costs more, by its square. If `ground` is given and this key is left
        /// out, the size follows from the people in the zones: 416 to 1024.
        detail_px: Option<usize> = integer(256..=2048).unit("pixels"), default 768, example 1024,
            change Live;
        /// At most how many parts of the picture are searched again, enlarged, where people are too
        /// small to be found in the whole. The camera's `ground`, or the height of the people who
        /// are found, says where. For cameras with many more pixels than `detail_px`; each part
        /// costs at most as much as the whole picture. 0 turns it off.
        tiles: usize = integer(0..=16).unit("tiles"), default 0, example 4, change Live;
        /// The least score of the person detector that counts as a person. Lower it if people are
        /// missed, raise it if things are counted as people.
        min_score: f32 = number(0.05..=0.95), default 0.5, example 0.4, change Live;
        /// Columns of the density map.
        map_columns: u16 = integer(4..=128), default 32, example 64, change Live;
        /// Rows of the density map.
        map_rows: u16 = integer(4..=128), default 18, example 36, change Live;
        /// Whether the console shows the live picture. People in it are pixelated before it leaves
        /// the node.
        preview: bool, default true, example false, change Live;
        /// Whether a picture without change repeats the last count, for up to 30 seconds and at
        /// almost no cost. The event says since when nothing has changed.
        skip_unchanged: bool, default true, example false, change Live;
        /// Whether the camera's count is part of the site's sum (`crowd/rollup`). Set it to `false`
        /// for a camera that sees the same people as another.
        in_total: bool, default true, example false, change Live;
        /// Parts of the picture in which heads are not counted: screens, posters, mirrors.
        exclude: Vec<NormalisedPolygon>, default [],
            example [[[0.7, 0.1], [0.9, 0.1], [0.9, 0.3], [0.7, 0.3]]], change Live;
        /// How the camera looks at the ground, which is assumed to be flat. It gives zones their
        /// areas, and people in a dense crowd are placed where their feet are. Give either four
        /// points of known places, or how the camera is mounted.
        ground: Option<GroundCalibration>,
            optional "people per square metre need a zone's `area_m2`; dense crowds are placed at their heads",
            example { height_m = 6.0, tilt_deg = 30.0, field_of_view_deg = 70.0 }, change Live;
        /// The parts of the picture that are counted. Without any, the whole picture is one zone,
        /// `all`.
        zones as "zone": Vec<Zone>, default [],
            example [{ id = "crossing", polygon = [[0.1, 0.4], [0.6, 0.4], [0.6, 1.0]] }], change Live;
        /// Lines across which people are counted, in each direction. Only people who are detected
        /// one by one are counted there.
        lines as "line": Vec<Line>, default [],
            example [{ id = "door", from = [0.4, 0.8], to = [0.6, 0.8], inside = [0.5, 0.95] }], change Live;
    }
}

fn complete_crowd(table: &TableReader<'_, '_>, mut camera: Draft<CrowdCamera>) -> Draft<CrowdCamera> {
    table.reject_repeated_ids(&["zone"], "zone");
    table.reject_repeated_ids(&["line"], "line");
    if table.has("ground") && !table.has("detail_px") {
        camera.detail_px = Some(None);
    }
    if let Some(zones) = camera.zones.as_mut().filter(|zones| zones.is_empty()) {
        zones.push(Zone::whole_picture());
    }
    camera
}

table! {
    /// A part of the picture of the `[[crowd]]` camera above it, counted by itself.
    for Zone = "[[crowd.zone]]" {
        /// The zone's name, unique at its camera.
        id: ZoneId, required, example "crossing", change Live;
        /// What people call the zone, in any language. The console shows it in place of the `id`.
        name: Option<String> = TITLE, optional "the console shows the `id`", example "Crossing", change Live;
        /// The zone's corners in order, as shares of the picture's width and height: `[0, 0]` is
        /// top left, `[1, 1]` bottom right. The sides must not cross. The polygon closes by itself.
        polygon: NormalisedPolygon, required, example [[0.1, 0.4], [0.6, 0.4], [0.6, 1.0], [0.1, 1.0]],
            change Live;
        /// The ground area of the zone.
        area_m2: Option<f64> = number(0.1..=1_000_000.0).unit("square metres"),
            optional "computed if the camera has a `ground`; otherwise people per square metre are not reported",
            example 120.0, change Live;
        /// The counts at which the crowd level changes.
        thresholds as "levels": Option<Thresholds>, optional "levels are not reported",
            example { medium = 5, high = 10, critical = 20 }, change Live;
        /// The rise in the count that is reported as a surge.
        surge: Option<SurgeRule>, optional "surges are not reported",
            example { people = 20, within_s = 30 }, change Live;
    }
}

const LEVEL: Kind = number(0.01..=100_000.0);

table! {
    /// The counts at which a zone's level changes. Each must be greater than the one before. A
    /// level ends when the count is a tenth of its threshold, and at least one person, below the
    /// threshold.
    for Thresholds = "`levels`", check check_levels {
        /// From here on the level is `medium`: worth a look.
        medium: f64 = LEVEL, required, example 5, change Live;
        /// From here on the level is `high`: time to act.
        high: f64 = LEVEL, required, example 10, change Live;
        /// From here on the level is `critical`: danger. Above 4 people per square metre nobody
        /// moves freely; from 5 on a crowd can crush.
        critical: f64 = LEVEL, required, example 20, change Live;
        /// The unit of the three. `"people_per_m2"` needs the zone's `area_m2`, or the camera's
        /// `ground`.
        unit: LevelUnit, default "people", example "people_per_m2", change Live;
        /// How long a level must be reached, or left, before it changes.
        hold as "hold_s": Duration = seconds(0.0..=600.0), default 0.0, example 10.0, change Live;
    }
}

fn check_levels(table: &TableReader<'_, '_>, levels: &Draft<Thresholds>) {
    let area_is_known = table.is_given_around("area_m2") || table.is_given_around("ground");
    if levels.unit == Some(LevelUnit::PeoplePerM2) && !area_is_known {
        let help = Some("give the zone its `area_m2`, or the camera its `ground`");
        table.reject(&["unit"], "levels in people per square metre need the zone's area", help);
    }
    let steps = [("medium", levels.medium, "high", levels.high), ("high", levels.high, "critical", levels.critical)];
    for (lower, low, upper, up) in steps {
        if let (Some(low), Some(up)) = (low, up)
            && low >= up
        {
            table.reject(&[upper], format!("`{upper}` must be greater than `{lower}`, found {up} and {low}"), None);
        }
    }
}

table! {
    /// There is a surge when the count is `people` or more above its minimum of the last `within_s`
    /// seconds. It ends when the rise is half of that.
    for SurgeRule = "`surge`" {
        /// The rise in the count.
        people: f64 = number(1.0..=100_000.0).unit("people"), required, example 20, change Live;
        /// The time in which the count rises.
        within as "within_s": Duration = seconds(1.0..=3600.0), required, example 30, change Live;
    }
}

table! {
    /// A line in the picture of the `[[crowd]]` camera above it. People whose feet cross it are
    /// counted, in each direction.
    pub struct Line = "[[crowd.line]]", check check_line {
        /// The line's name, unique at its camera.
        id: LineId, required, example "door", change Live;
        /// One end, as shares of the picture's width and height.
        from: Point, required, example [0.4, 0.8], change Live;
        /// The other end.
        to: Point, required, example [0.6, 0.8], change Live;
        /// Any point on the inner side: people who go there count as `in`, people who come from
        /// there as `out`.
        inside: Point, required, example [0.5, 0.95], change Live;
    }
}

/// The least distance of `inside` from its line, as a share of the picture.
const LEAST_OFF: f64 = 1e-3;

fn check_line(table: &TableReader<'_, '_>, line: &Draft<Line>) {
    let (Some(from), Some(to), Some(inside)) = (line.from, line.to, line.inside) else { return };
    let [from, to, inside] = [from, to, inside].map(|point| [f64::from(point.x), f64::from(point.y)]);
    let along = [to[0] - from[0], to[1] - from[1]];
    let off = along[0] * (inside[1] - from[1]) - along[1] * (inside[0] - from[0]);
    if along == [0.0, 0.0] {
        table.reject(&["to"], "`from` and `to` are the same point", None);
    } else if off.abs() < LEAST_OFF * along[0].hypot(along[1]) {
        table.reject(&["inside"], "`inside` lies on the line, so the line has no inner side", None);
    }
}

table! {
    /// Either `points` with `metres`, or `height_m`, `tilt_deg` and `field_of_view_deg`.
    pub(crate) struct GroundKeys = "`ground`", check check_ground {
        /// Four points on the ground, the corners of a convex shape in order, as shares of the
        /// picture's width and height. A larger shape is more accurate.
        points: Option<[Point; 4]>, optional "the camera's mounting must be given",
            example [[0.2, 0.5], [0.8, 0.5], [1.0, 0.9], [0.0, 0.9]], change Live;
        /// The places of those points on the ground, measured from anywhere: a rectangle of 12 by
        /// 20 metres, for example.
        metres: Option<[[f64; 2]; 4]> = points(4, -10_000.0..=10_000.0).unit("metres"),
            optional "the camera's mounting must be given",
            example [[0, 0], [12, 0], [12, 20], [0, 20]], change Live;
        /// The height of the lens above the ground.
        height_m: Option<f64> = number(1.8..=200.0).unit("metres"), optional "four points must be given",
            example 6.0, change Live;
        /// How far the camera looks down: 0 is level, 90 straight down.
        tilt_deg: Option<f64> = number(0.0..=90.0).unit("degrees"), optional "four points must be given",
            example 30.0, change Live;
        /// The horizontal field of view. It is in the camera's data sheet.
        field_of_view_deg: Option<f64> = number(5.0..=120.0).unit("degrees"),
            optional "four points must be given", example 70.0, change Live;
    }
}

const BY_POINTS: [&str; 2] = ["points", "metres"];
const BY_MOUNTING: [&str; 3] = ["height_m", "tilt_deg", "field_of_view_deg"];

fn check_ground(table: &TableReader<'_, '_>, _: &Draft<GroundKeys>) {
    let given = |keys: &[&str]| keys.iter().filter(|key| table.has(key)).count();
    if !matches!((given(&BY_POINTS), given(&BY_MOUNTING)), (2, 0) | (0, 3)) {
        let message = "`ground` needs either `points` and `metres`, or `height_m`, `tilt_deg` and `field_of_view_deg`";
        table.reject(&[&BY_POINTS[..], &BY_MOUNTING].concat(), message, None);
    }
}

impl KeyType for GroundCalibration {
    const KIND: Kind = Kind::Table(&GroundKeys::SPEC);
}

impl FromToml for GroundCalibration {
    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        let GroundKeys { points, metres, height_m, tilt_deg, field_of_view_deg } = raw.table()?;
        if let (Some(points), Some(metres)) = (points, metres) {
            return Some(Self::Points(std::array::from_fn(|i| (points[i], metres[i]))));
        }
        let (height_m, tilt_deg, field_of_view_deg) = (height_m?, tilt_deg?, field_of_view_deg?);
        Some(Self::Mounting { height_m, tilt_deg, field_of_view_deg })
    }
}
