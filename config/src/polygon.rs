//! A polygon of the picture: enough corners, inside the picture, no crossing sides, some area.

use gatehouse_picture::{NormalisedPolygon, Point};

use crate::raw_value::{RawValue, number};
use crate::value::Invalid;

pub(crate) const MIN_CORNERS: usize = 3;
pub(crate) const MAX_CORNERS: usize = 64;
/// The least area, as a share of the picture: about one pixel of a megapixel. Less is a line.
const MIN_AREA: f64 = 1e-6;
type Corner = (f64, f64);

pub(crate) fn read(raw: &RawValue<'_, '_>) -> Option<NormalisedPolygon> {
    let Some(items) = raw.value.as_array() else {
        raw.reject(Invalid::NotOfKind);
        return None;
    };
    let corners: Vec<Option<Corner>> =
        items.iter().enumerate().map(|(index, item)| corner(&raw.part(raw.kind, index, item))).collect();
    let corners: Vec<Corner> = corners.into_iter().collect::<Option<_>>()?;
    if let Err((message, help)) = check(&corners) {
        raw.reject_whole(message.replace("`polygon`", &format!("`{}`", raw.key.name)), help);
        return None;
    }
    let polygon =
        NormalisedPolygon::new(corners.into_iter().map(|(x, y)| Point { x: x as f32, y: y as f32 }).collect());
    // What is just large enough may not be so with fewer digits.
    polygon.map_err(|error| raw.reject_whole(error.to_string(), None)).ok()
}

fn corner(raw: &RawValue<'_, '_>) -> Option<Corner> {
    let wanted = format!("a corner of `{}` must be `[x, y]`, each number from 0 to 1", raw.key.name);
    let not_of_kind = |raw: &RawValue<'_, '_>| raw.reject(Invalid::because(format!("{wanted}{}", raw.found())));
    let Some(items) = raw.value.as_array() else {
        not_of_kind(raw);
        return None;
    };
    let parts: Vec<RawValue<'_, '_>> =
        items.iter().enumerate().map(|(index, item)| raw.part(raw.kind, index, item)).collect();
    let [x, y] = &parts[..] else {
        raw.reject_whole(format!("{wanted}, found a list of {}", parts.len()), None);
        return None;
    };
    let inside = |part: &RawValue<'_, '_>| {
        let number = number(part.value).filter(|number| (0.0..=1.0).contains(number));
        if number.is_none() {
            not_of_kind(part);
        }
        number
    };
    inside(x).zip(inside(y))
}

fn check(corners: &[Corner]) -> Result<(), (String, Option<&'static str>)> {
    let count = corners.len();
    if !(MIN_CORNERS..=MAX_CORNERS).contains(&count) {
        return Err((format!("`polygon` must have {MIN_CORNERS} to {MAX_CORNERS} corners, found {count}"), None));
    }
    for here in 0..count {
        let next = (here + 1) % count;
        if corners[here] == corners[next] {
            let help = (next == 0).then_some("leave the last corner out: the polygon closes by itself");
            return Err((format!("corners {} and {} of `polygon` are the same point", here + 1, next + 1), help));
        }
    }
    for first in 0..count {
        for second in first + 1..count {
            if sides_cross(corners, first, second) {
                let side = |corner| format!("{} to {}", corner + 1, (corner + 1) % count + 1);
                let message =
                    format!("`polygon` crosses itself: its side {} meets its side {}", side(first), side(second));
                return Err((
                    message,
                    Some("give the corners in the order in which you would walk around the polygon"),
                ));
            }
        }
    }
    if area(corners) < MIN_AREA {
        return Err(("`polygon` has no area".to_owned(), None));
    }
    Ok(())
}

/// Twice the signed area of a triangle; the sign says on which side of a–b the point c lies.
fn turn(a: Corner, b: Corner, c: Corner) -> f64 {
    (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0)
}

/// Whether two sides, by the numbers of their first corners, share a point that they shouldn't.
fn sides_cross(corners: &[Corner], first: usize, second: usize) -> bool {
    let count = corners.len();
    let ends = |side: usize| (corners[side], corners[(side + 1) % count]);
    let ((a, b), (c, d)) = (ends(first), ends(second));
    let folds_back = |from: Corner, shared: Corner, to: Corner| {
        let along = (from.0 - shared.0) * (to.0 - shared.0) + (from.1 - shared.1) * (to.1 - shared.1);
        turn(from, shared, to) == 0.0 && along > 0.0
    };
    if second == first + 1 {
        return folds_back(a, b, d);
    }
    if first == 0 && second == count - 1 {
        return folds_back(c, d, b);
    }
    let within = |p: Corner, from: Corner, to: Corner| {
        turn(from, to, p) == 0.0
            && (from.0.min(to.0)..=from.0.max(to.0)).contains(&p.0)
            && (from.1.min(to.1)..=from.1.max(to.1)).contains(&p.1)
    };
    let apart = |p: f64, q: f64| (p > 0.0 && q < 0.0) || (p < 0.0 && q > 0.0);
    (apart(turn(a, b, c), turn(a, b, d)) && apart(turn(c, d, a), turn(c, d, b)))
        || within(c, a, b)
        || within(d, a, b)
        || within(a, c, d)
        || within(b, c, d)
}

/// The shoelace formula.
fn area(corners: &[Corner]) -> f64 {
    let next = corners.iter().cycle().skip(1);
    let twice: f64 = corners.iter().zip(next).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum();
    (twice / 2.0).abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shapes_that_enclose_one_piece_pass() {
        let cases: [(&str, &[Corner], Option<&str>); 11] = [
            ("triangle", &[(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)], None),
            ("square", &[(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0)], None),
            ("dented", &[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5), (0.0, 1.0)], None),
            ("a corner on a straight side", &[(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.5, 1.0)], None),
            (
                "bow tie",
                &[(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)],
                Some("its side 1 to 2 meets its side 3 to 4"),
            ),
            ("touching", &[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.0), (0.0, 1.0)], Some("crosses itself")),
            ("line", &[(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)], Some("crosses itself")),
            ("spike", &[(0.0, 0.0), (1.0, 0.0), (0.5, 0.0), (0.5, 1.0)], Some("crosses itself")),
            ("sliver", &[(0.0, 0.0), (1.0, 0.0), (1.0, 1e-7)], Some("no area")),
            ("closed twice", &[(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)], Some("corners 4 and 1")),
            ("two corners", &[(0.0, 0.0), (1.0, 0.0)], Some("3 to 64 corners, found 2")),
        ];
        for (name, corners, expected) in cases {
            let found = check(corners).err().map(|(message, _)| message);
            match expected {
                None => assert_eq!(found, None, "{name}"),
                Some(part) => {
                    assert!(found.as_deref().is_some_and(|message| message.contains(part)), "{name}: {found:?}")
                }
            }
        }
    }
}
