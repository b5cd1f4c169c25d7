//! From a `[[crowd]]` table of a site file to a [`CrowdCamera`].

use std::time::Duration;

use crate::keys;
use crate::read_site::{Names, Reader, camera, own_name};
use crate::reader::Refusal;
use crate::site::{CrowdCamera, Ground, LevelUnit, Levels, Line, Point, Surge, Zone};
use crate::spec::Key;

/// How far beside a line its inner side is shown at least, as a part of the picture.
const LEAST_OFF: f64 = 1e-3;

pub(crate) fn crowd(t: &mut Reader<'_, '_>, cameras: &Names) -> Option<CrowdCamera> {
    let camera = camera(t, cameras);
    let analyse_fps = t.number(&keys::CROWD_ANALYSE_FPS);
    let tiles = t.integer(&keys::TILES);
    let min_score = t.number(&keys::MIN_SCORE).map(|score| score as f32);
    let map_columns = t.integer(&keys::MAP_COLUMNS);
    let map_rows = t.integer(&keys::MAP_ROWS);
    let preview = t.boolean(&keys::PREVIEW);
    let skip_unchanged = t.boolean(&keys::SKIP_UNCHANGED);
    let in_total = t.boolean(&keys::IN_TOTAL);
    let exclude = t.polygons(&keys::EXCLUDE);
    let has_ground = t.has(&keys::GROUND_TABLE);
    let detail_px =
        if has_ground && !t.has(&keys::DETAIL_PX) { Some(None) } else { t.integer(&keys::DETAIL_PX).map(Some) };
    let ground = t.table(&keys::GROUND_TABLE, ground);
    let names = Names::default();
    let zones = t.tables(&keys::ZONE_TABLES, |t| zone(t, &names, has_ground));
    t.context.refuse_repeated(&names.into_inner(), "zone");
    let names = Names::default();
    let lines = t.tables(&keys::LINE_TABLES, |t| line(t, &names));
    t.context.refuse_repeated(&names.into_inner(), "line");
    let (id, stream) = camera?;
    let zones = zones.map(|zones| if zones.is_empty() { vec![Zone::all()] } else { zones });
    Some(CrowdCamera {
        id,
        stream,
        analyse_fps: analyse_fps?,
        detail_px: detail_px?,
        tiles: tiles?,
        min_score: min_score?,
        map_columns: map_columns?,
        map_rows: map_rows?,
        preview: preview?,
        skip_unchanged: skip_unchanged?,
        in_total: in_total?,
        exclude: exclude?,
        ground,
        zones: zones?,
        lines: lines?,
    })
}

fn zone(t: &mut Reader<'_, '_>, names: &Names, has_ground: bool) -> Option<Zone> {
    let id = own_name(t, &keys::ZONE_ID, names);
    let polygon = t.polygon(&keys::POLYGON);
    let area_m2 = t.number(&keys::AREA_M2);
    let has_area = has_ground || t.has(&keys::AREA_M2);
    let levels = t.table(&keys::LEVELS_TABLE, |t| levels(t, has_area));
    let surge = t.table(&keys::SURGE_TABLE, surge);
    Some(Zone { id: id?, polygon: polygon?, area_m2, levels, surge })
}

fn levels(t: &mut Reader<'_, '_>, has_area: bool) -> Option<Levels> {
    let medium = t.number(&keys::LEVEL_MEDIUM);
    let high = t.number(&keys::LEVEL_HIGH);
    let critical = t.number(&keys::LEVEL_CRITICAL);
    let unit = t.text(&keys::LEVEL_UNIT, |text| match text {
        "people" => Ok(LevelUnit::People),
        "people_per_m2" => Ok(LevelUnit::PeoplePerM2),
        _ => Err(Refusal::UNLIKE),
    });
    let hold = t.number(&keys::LEVEL_HOLD_S).map(Duration::from_secs_f64);
    if unit == Some(LevelUnit::PeoplePerM2) && !has_area {
        let message = "levels in people per square metre need to know the zone's area".to_owned();
        let help = "give the zone its `area_m2`, or the camera its `ground`".to_owned();
        t.refuse_together(&[&keys::LEVEL_UNIT], message, Some(help));
    }
    let levels = Levels { medium: medium?, high: high?, critical: critical?, unit: unit?, hold: hold? };
    let steps = [
        (&keys::LEVEL_MEDIUM, levels.medium, &keys::LEVEL_HIGH, levels.high),
        (&keys::LEVEL_HIGH, levels.high, &keys::LEVEL_CRITICAL, levels.critical),
    ];
    for (lower, low, upper, up) in steps.into_iter().filter(|(_, low, _, up)| low >= up) {
        let message = format!("`{}` must be more than `{}`, found {up} and {low}", upper.name, lower.name);
        t.refuse_together(&[upper], message, None);
    }
    Some(levels)
}

fn surge(t: &mut Reader<'_, '_>) -> Option<Surge> {
    let people = t.number(&keys::SURGE_PEOPLE);
    let within = t.number(&keys::SURGE_WITHIN_S).map(Duration::from_secs_f64);
    Some(Surge { people: people?, within: within? })
}

fn line(t: &mut Reader<'_, '_>, names: &Names) -> Option<Line> {
    let id = own_name(t, &keys::LINE_ID, names);
    let [from, to, inside] = [&keys::LINE_FROM, &keys::LINE_TO, &keys::LINE_INSIDE].map(|key| t.point(key));
    let (from, to, inside) = (from?, to?, inside?);
    let along = [to[0] - from[0], to[1] - from[1]];
    let off = along[0] * (inside[1] - from[1]) - along[1] * (inside[0] - from[0]);
    if along == [0.0, 0.0] {
        t.refuse_together(&[&keys::LINE_TO], "`from` and `to` are the same point".to_owned(), None);
    } else if off.abs() < LEAST_OFF * along[0].hypot(along[1]) {
        let message = "`inside` lies on the line, so it has no inner side".to_owned();
        t.refuse_together(&[&keys::LINE_INSIDE], message, None);
    }
    let [from, to, inside] = [from, to, inside].map(point);
    Some(Line { id: id?, from, to, inside })
}

fn point([x, y]: [f64; 2]) -> Point {
    Point { x: x as f32, y: y as f32 }
}

fn ground(t: &mut Reader<'_, '_>) -> Option<Ground> {
    const BY_POINTS: [&Key; 2] = [&keys::GROUND_POINTS, &keys::GROUND_METRES];
    const BY_MOUNTING: [&Key; 3] = [&keys::GROUND_HEIGHT_M, &keys::GROUND_TILT_DEG, &keys::GROUND_FIELD_OF_VIEW_DEG];
    let [points, metres] = BY_POINTS.map(|key| t.points(key));
    let [height_m, tilt_deg, field_of_view_deg] = BY_MOUNTING.map(|key| t.number(key));
    let given = |keys: &[&'static Key]| keys.iter().filter(|key| t.has(key)).count();
    match (given(&BY_POINTS), given(&BY_MOUNTING)) {
        (2, 0) => {
            let pairs: Vec<_> = points?.into_iter().map(point).zip(metres?).collect();
            pairs.try_into().ok().map(Ground::Points)
        }
        (0, 3) => {
            let (height_m, tilt_deg, field_of_view_deg) = (height_m?, tilt_deg?, field_of_view_deg?);
            Some(Ground::Mounting { height_m, tilt_deg, field_of_view_deg })
        }
        _ => {
            let message =
                "`ground` takes either `points` and `metres`, or `height_m`, `tilt_deg` and `field_of_view_deg`";
            t.refuse_together(&[BY_POINTS.as_slice(), &BY_MOUNTING].concat(), message.to_owned(), None);
            None
        }
    }
}
