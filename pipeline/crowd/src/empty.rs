//! Phantoms of an empty scene: posters, lamp posts and foliage that a model takes for people. Their
//! places and scores, and no picture, are recorded while nobody is there, to exclude them later.

use gatehouse_people::{DensityMap, PeopleReading, Person};
use gatehouse_picture::{Rect, Size};
use serde::{Deserialize, Serialize};

/// Intersection over union above which a detection is a phantom.
const SAME: f32 = 0.5;
/// Excess of score above which a person stands at the phantom's place.
const SURER: f32 = 0.2;
/// Least share of pictures with a phantom. Less is a person who walks through, or a flicker.
const AT_LEAST_OF_PICTURES: f32 = 0.3;

/// Settings under which phantoms were recorded. With others, a model errs elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Looking {
    /// Names and versions of the models.
    pub model: String,
    /// Longer side of the picture in the person detector's tensor, in pixels.
    pub detail_px: usize,
    /// The same for a separate density model.
    pub density_px: usize,
    /// Most tiles.
    pub tiles: usize,
}

/// Phantoms of one camera's empty scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmptyScene {
    looking: Looking,
    /// Left, top, width and height, normalised to the picture, and the highest score.
    people: Vec<([f32; 4], f32)>,
    /// Cells in a row of `density`, and rows.
    density_size: [usize; 2],
    /// The mean density, people per cell, row by row; empty where the model gives none.
    density: Vec<f32>,
}

/// Records phantoms from pictures of an empty scene.
#[derive(Debug)]
pub struct EmptySceneWatch {
    scene: EmptyScene,
    /// Number of pictures with each phantom.
    seen: Vec<usize>,
    pictures: usize,
}

impl EmptySceneWatch {
    /// Starts without pictures.
    pub fn new(looking: Looking) -> Self {
        let scene = EmptyScene { looking, people: Vec::new(), density_size: [0, 0], density: Vec::new() };
        Self { scene, seen: Vec::new(), pictures: 0 }
    }

    /// Adds a picture's reading, with people of [`LEAST_SCORE`](crate::LEAST_SCORE) and more.
    pub fn add(&mut self, reading: &PeopleReading, frame: Size) {
        let EmptyScene { people, density_size, density, .. } = &mut self.scene;
        for person in &reading.people {
            let place = normalised(&person.box_in_frame, frame);
            match people.iter().position(|(known, _)| rect(known).iou(&rect(&place)) > SAME) {
                Some(known) => {
                    people[known].1 = people[known].1.max(person.score);
                    self.seen[known] += 1;
                }
                None => {
                    people.push((place, person.score));
                    self.seen.push(1);
                }
            }
        }
        let size = [reading.density.columns(), reading.density.rows()];
        if *density_size != size {
            // A picture of another size restarts the mean.
            (*density_size, *density, self.pictures) = (size, vec![0.0; size[0] * size[1]], 0);
        }
        self.pictures += 1;
        let part = 1.0 / self.pictures as f32;
        let cells = density.iter_mut().zip(reading.density.people());
        cells.for_each(|(mean, new)| *mean += part * (new - *mean));
    }

    /// Number of pictures.
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// The phantoms that appeared often enough.
    pub fn finish(self) -> EmptyScene {
        let least = AT_LEAST_OF_PICTURES * self.pictures as f32;
        let people = self.scene.people.into_iter().zip(self.seen);
        let again = people.filter(|(_, seen)| *seen as f32 >= least).map(|(person, _)| person);
        EmptyScene { people: again.collect(), ..self.scene }
    }
}

impl EmptyScene {
    /// True if it was recorded with these settings.
    pub fn is_of(&self, looking: &Looking) -> bool {
        self.looking == *looking
    }

    /// True if its numbers are valid, when it comes from a file.
    pub fn is_sound(&self) -> bool {
        let [columns, rows] = self.density_size;
        let sound = |value: &f32| value.is_finite() && *value >= 0.0;
        let people = self.people.iter().all(|(place, score)| place.iter().all(|v| v.is_finite()) && score.is_finite());
        people && columns.checked_mul(rows) == Some(self.density.len()) && self.density.iter().all(sound)
    }

    /// Number of phantoms by detection and by density.
    pub fn phantoms(&self, min_score: f32) -> (usize, f32) {
        (
            self.people.iter().filter(|(_, score)| *score >= min_score).count(),
            self.density.iter().fold(0.0, |sum, cell| sum + cell),
        )
    }

    /// Removes the phantoms from the reading of a picture of size `frame`.
    pub fn clear(&self, reading: &mut PeopleReading, frame: Size) {
        reading.people.retain(|person| !self.is_phantom(person, frame));
        self.thin(&mut reading.density);
    }

    fn is_phantom(&self, person: &Person, frame: Size) -> bool {
        let place = rect(&normalised(&person.box_in_frame, frame));
        self.people.iter().any(|(known, score)| person.score < score + SURER && rect(known).iou(&place) > SAME)
    }

    // A density of another size belongs to a picture of another size.
    fn thin(&self, density: &mut DensityMap) {
        if self.density_size == [density.columns(), density.rows()] {
            let cells = density.people_mut().iter_mut().zip(&self.density);
            cells.for_each(|(cell, phantom)| *cell = (*cell - phantom).max(0.0));
        }
    }
}

fn normalised(place: &Rect, frame: Size) -> [f32; 4] {
    let (width, height) = (frame.width as f32, frame.height as f32);
    [place.x / width, place.y / height, place.width / width, place.height / height]
}

fn rect(&[x, y, width, height]: &[f32; 4]) -> Rect {
    Rect { x, y, width, height }
}

#[cfg(test)]
mod tests {
    use gatehouse_runtime::{Fit, Placement};

    use super::*;

    const FRAME: Size = Size { width: 640, height: 320 };

    fn looking() -> Looking {
        Looking { model: "m 1".to_owned(), detail_px: 768, density_px: 768, tiles: 0 }
    }

    fn person(x: f32, score: f32) -> Person {
        Person { box_in_frame: Rect { x, y: 50.0, width: 40.0, height: 100.0 }, score }
    }

    fn reading(people: &[Person], density: f32) -> PeopleReading {
        let mut map = DensityMap::default();
        map.reset(FRAME, &Placement::new(FRAME, FRAME, Fit::Scale), 8);
        map.people_mut()[100] = density;
        PeopleReading { people: people.to_vec(), density: map }
    }

    fn empty() -> EmptyScene {
        let mut watch = EmptySceneWatch::new(looking());
        watch.add(&reading(&[person(100.0, 0.5)], 0.4), FRAME);
        watch.add(&reading(&[person(103.0, 0.6), person(400.0, 0.2)], 0.2), FRAME);
        assert_eq!(watch.pictures(), 2);
        watch.finish()
    }

    #[test]
    fn phantoms_are_removed_and_people_stay() {
        let empty = empty();
        let mut seen = reading(&[person(102.0, 0.65), person(250.0, 0.6), person(400.0, 0.9)], 1.3);
        empty.clear(&mut seen, FRAME);
        let left: Vec<f32> = seen.people.iter().map(|person| person.box_in_frame.x).collect();
        assert_eq!(left, [250.0, 400.0], "the lamp post is removed; a person stands before the bush");
        assert!((seen.density.sum() - 1.0).abs() < 1e-6);
        let mut same = reading(&[person(100.0, 0.5)], 0.1);
        empty.clear(&mut same, FRAME);
        assert_eq!((same.people.len(), same.density.sum()), (0, 0.0), "never less than nobody");
    }

    #[test]
    fn a_person_who_walks_through_is_no_phantom() {
        let mut watch = EmptySceneWatch::new(looking());
        for step in 0..10 {
            watch.add(&reading(&[person(100.0, 0.5), person(200.0 + 40.0 * step as f32, 0.9)], 0.0), FRAME);
        }
        assert_eq!(watch.finish().phantoms(0.5).0, 1);
    }

    #[test]
    fn pictures_may_have_another_size() {
        let mut half = PeopleReading { people: vec![person(0.0, 0.6)], density: DensityMap::default() };
        half.people[0].box_in_frame = Rect { x: 50.0, y: 25.0, width: 20.0, height: 50.0 };
        empty().clear(&mut half, Size { width: 320, height: 160 });
        assert!(half.people.is_empty());
    }

    #[test]
    fn phantoms_are_counted_and_settings_compared() {
        let (people, density) = empty().phantoms(0.5);
        assert!(people == 1 && (density - 0.3).abs() < 1e-6);
        assert!(empty().is_of(&looking()));
        assert!(!empty().is_of(&Looking { model: "m 2".to_owned(), ..looking() }));
        assert!(!empty().is_of(&Looking { detail_px: 416, ..looking() }));
        assert!(!empty().is_of(&Looking { density_px: 416, ..looking() }));
        assert!(!empty().is_of(&Looking { tiles: 4, ..looking() }));
    }

    #[test]
    fn a_file_is_read_back_and_a_broken_one_is_found() {
        let text = serde_json::to_string(&empty()).expect("JSON");
        let back: EmptyScene = serde_json::from_str(&text).expect("what was written");
        assert!(back == empty() && back.is_sound());
        let broken = text.replace("\"density_size\":[80,40]", "\"density_size\":[80,41]");
        assert!(broken != text && !serde_json::from_str::<EmptyScene>(&broken).expect("JSON").is_sound());
    }
}
