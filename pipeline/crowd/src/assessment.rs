//! Judges whether the models can count a scene, which an event says as its self-assessment.

use gatehouse_people::{Counting, PeopleReading};
use gatehouse_picture::{Rect, Size};

use crate::fusion::PeopleCount;

/// Density above which at least one detection must support it, in people.
const CROWD: f64 = 3.0;
/// Detections of any score that must support each person of the density. Gravel, foliage and noise
/// can look like heads to a density, but not like people to a detector.
const CANDIDATES_PER_PERSON: f64 = 0.05;
/// Count above which a detector alone misses people. On 30 rendered crowds of 371 people on average
/// it missed 360; below about 40 people it was the best of the measured models.
const MOST_DETECTED: usize = 40;
/// Median height of people below which the detector is at its limit, in pixels of the tensor.
const LEAST_HEIGHT_PX: f32 = 26.0;
/// Detections of any score, in total and for each that counts, that hint at a crowd which the
/// detector can't separate. Measured at 416, 768 and 1024 pixels: 85 to 363, and from 12 for each,
/// on 27 rendered crowds of 129 to 697; 16 to 35, up to 8 for each, on a plaza with 3 to 8 people.
const CROWD_CANDIDATES: usize = 60;
const CANDIDATES_PER_COUNTED: usize = 8;

/// True if the models can count the scene: `people` are the counting boxes, `all` the fused count.
pub(crate) fn is_countable(
    counting: Option<&Counting>,
    all: &PeopleCount,
    people: &[Rect],
    reading: &PeopleReading,
    frame: Size,
    detail_px: usize,
) -> bool {
    let candidates = reading.people.len();
    match counting {
        Some(counting) if counting.fusion_ramp.is_some() && !reading.density.is_empty() => {
            all.people() <= counting.most_people && is_supported(all, candidates)
        }
        _ => is_separable(people, candidates, frame, detail_px),
    }
}

fn is_supported(all: &PeopleCount, candidates: usize) -> bool {
    all.by_density < CROWD || candidates as f64 >= (CANDIDATES_PER_PERSON * all.by_density).max(1.0)
}

/// True if a detector alone can count the scene.
fn is_separable(people: &[Rect], candidates: usize, frame: Size, detail_px: usize) -> bool {
    let scale = detail_px as f32 / frame.width.max(frame.height) as f32;
    let mut heights = [0.0; MOST_DETECTED];
    let Some(heights) = heights.get_mut(..people.len()) else { return false };
    heights.iter_mut().zip(people).for_each(|(height, person)| *height = person.height * scale);
    heights.sort_unstable_by(f32::total_cmp);
    let too_small = heights.get(heights.len() / 2).is_some_and(|median| *median < LEAST_HEIGHT_PX);
    let crowd = candidates >= CROWD_CANDIDATES && candidates >= CANDIDATES_PER_COUNTED * people.len();
    !too_small && !crowd
}
