//! The empty gate: a tiled wall with a door and a notice, a floor, two posts.

use crate::picture::{Picture, Plane};

/// A block of one colour: left, top, right and bottom as shares of the frame's sides, and
/// limited-range Y, U, V.
struct Block([f64; 4], [u8; 3]);

const WALL: [u8; 3] = [146, 128, 128];
const FLOOR: [u8; 3] = [112, 124, 130];
const JOINT: [u8; 3] = [124, 128, 128];
const DOOR: [u8; 3] = [84, 134, 122];
const GLASS: [u8; 3] = [172, 131, 126];
const PAPER: [u8; 3] = [205, 128, 128];
const PRINT: [u8; 3] = [96, 128, 128];
const POST: [u8; 3] = [68, 129, 127];
const STEEL: [u8; 3] = [168, 129, 127];
/// Where wall and floor meet.
const FLOOR_TOP: f64 = 0.62;
/// Decrease of brightness towards the sides, which the lamp lights less.
const SHADE: f64 = 24.0;
/// Part of the clips' fingerprint: raised when the drawing changes.
pub(crate) const DRAWING: u32 = 2;

/// The empty gate under a flickering lamp, one picture per second: identical pictures for seconds
/// would be reported as a frozen camera.
pub(crate) fn by_lamplight(width: usize, height: usize) -> [Picture; 3] {
    [0, 1, 2].map(|brighter| {
        let mut frame = empty(width, height);
        frame.planes[0].bytes.iter_mut().for_each(|luma| *luma += brighter);
        frame
    })
}

fn empty(width: usize, height: usize) -> Picture {
    let mut frame = Picture::plain(width, height, WALL);
    fill(&mut frame, &Block([0.0, FLOOR_TOP, 1.0, 1.0], FLOOR));
    let joint = 0.0025;
    for across in (0..8).map(|i| 0.125 * f64::from(i)) {
        fill(&mut frame, &Block([across, 0.0, across + joint, FLOOR_TOP], JOINT));
    }
    for down in (0..4).map(|i| 0.155 * f64::from(i)) {
        fill(&mut frame, &Block([0.0, down, 1.0, down + 16.0 / 9.0 * joint], JOINT));
    }
    let lines = (0..6).map(|i| Block([0.17, 0.235 + 0.025 * f64::from(i), 0.245, 0.245 + 0.025 * f64::from(i)], PRINT));
    let fixed = [
        Block([0.67, 0.12, 0.83, FLOOR_TOP], DOOR),
        Block([0.688, 0.2, 0.74, 0.45], GLASS),
        Block([0.76, 0.2, 0.812, 0.45], GLASS),
        Block([0.155, 0.21, 0.26, 0.4], PAPER),
        Block([0.07, 0.55, 0.117, 1.0], POST),
        Block([0.063, 0.54, 0.125, 0.56], STEEL),
        Block([0.883, 0.55, 0.93, 1.0], POST),
        Block([0.875, 0.54, 0.937, 0.56], STEEL),
    ];
    fixed.into_iter().chain(lines).for_each(|block| fill(&mut frame, &block));
    for row in frame.planes[0].bytes.chunks_exact_mut(width) {
        for (x, pixel) in row.iter_mut().enumerate() {
            let aside = (x as f64 / width as f64 - 0.5).abs();
            *pixel = (f64::from(*pixel) - SHADE * aside).max(16.0) as u8;
        }
    }
    frame
}

fn fill(frame: &mut Picture, Block([left, top, right, bottom], colour): &Block) {
    for (Plane { width, height, bytes }, value) in frame.planes.iter_mut().zip(colour) {
        let pixel = |share: f64, side: usize| ((share * side as f64).round() as usize).min(side);
        let columns = pixel(*left, *width)..pixel(*right, *width);
        let rows = bytes.chunks_exact_mut(*width).take(pixel(*bottom, *height)).skip(pixel(*top, *height));
        rows.for_each(|row| row[columns.clone()].fill(*value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_looks_the_same_in_any_size_and_is_nowhere_plain() {
        for (width, height) in [(640, 360), (1280, 720), (1920, 1080)] {
            let gate = empty(width, height);
            let at = |x: f64, y: f64| {
                let luma = &gate.planes[0];
                luma.bytes[(y * height as f64) as usize * luma.width + (x * width as f64) as usize]
            };
            assert!(at(0.45, 0.1).abs_diff(WALL[0]) < 5 && at(0.5, 0.8).abs_diff(FLOOR[0]) < 5);
            assert!(at(0.7, 0.3) > at(0.75, 0.3) + 60, "glass in the door");
            let mut rows = gate.planes[0].bytes.chunks_exact(width);
            assert!(
                rows.all(|row| row.iter().max().zip(row.iter().min()).is_some_and(|(most, least)| most - least > 10))
            );
        }
    }
}
