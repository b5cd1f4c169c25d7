//! What crowd cameras see of people: a detector finds them one by one and may measure how dense they stand; a model of its own may
//! measure it again where they are packed.

use gatehouse_picture::YuvPicture;
use gatehouse_runtime::{ModelError, Provider, Registry, ResultPool, SessionOptions};

use crate::counting::Counting;
use crate::density::DensityMap;
use crate::density_model::DensityModel;
use crate::nanodet::{Person, PersonDetector};
use crate::tile::{self, Tile};

/// Tiles of several pictures could be dozens: so many go through the detector at once, lest its memory grow with them.
const LOOKS_AT_ONCE: usize = 4;

/// A picture to find people in.
#[derive(Debug, Clone, Copy)]
pub struct PeopleScene<'a> {
    /// The picture.
    pub picture: YuvPicture<'a>,
    /// How large it is looked at: its longer side in the tensor, in pixels. More finds smaller people; the cost grows with its
    /// square.
    pub longer_side_px: usize,
    /// The same for a density model of its own; without one it means nothing.
    pub density_side_px: usize,
    /// Parts in which people are looked for again, larger. One that isn't in the picture is left out.
    pub tiles: &'a [Tile],
}

/// What was seen of people in one picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PeopleReading {
    /// Those that were made out one by one, best first.
    pub people: Vec<Person>,
    /// All of them, spread; empty if no model measures it.
    pub density: DensityMap,
}

/// The models of crowd cameras. One per worker.
#[derive(Debug)]
pub struct PeopleReader {
    detector: PersonDetector,
    density: Option<DensityModel>,
    maps: Vec<DensityMap>,
    /// What [`DensityMap::shares`] works in, and what it told last.
    sums: Vec<f64>,
    shares: Vec<f32>,
    /// What each look showed, of whole pictures and of tiles, and what [`tile::join`] works in.
    looks: Vec<PeopleReading>,
    seen: Vec<tile::Seen>,
    pool: ResultPool<PeopleReading>,
}

impl PeopleReader {
    /// Opens and warms up the named models. The density is the person detector's, if it has one; with a density model, that one's
    /// where the former is higher than the hand-over of the latter's manifest, or everywhere if there is no former.
    ///
    /// # Errors
    /// As [`PersonDetector::load`] and [`DensityModel::load`].
    pub fn load(
        registry: &Registry,
        detector: &str,
        density: Option<&str>,
        options: &SessionOptions,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            detector: PersonDetector::load(registry, detector, options)?,
            density: density.map(|name| DensityModel::load(registry, name, options)).transpose()?,
            maps: Vec::new(),
            sums: Vec::new(),
            shares: Vec::new(),
            looks: Vec::new(),
            seen: Vec::new(),
            pool: ResultPool::default(),
        })
    }

    /// What runs the person detector.
    pub fn provider(&self) -> Provider {
        self.detector.provider()
    }

    /// Runs the person detector on so many empty scenes at once.
    ///
    /// # Errors
    /// As [`PersonDetector::benchmark`].
    pub fn benchmark(&mut self, scenes: usize, longer_side_px: usize) -> Result<(), ModelError> {
        self.detector.benchmark(scenes, longer_side_px)
    }

    /// Finds the people of score `min_score` (0–1) and more, best first, and the density. `readings[i]` belongs to `scenes[i]`.
    ///
    /// # Errors
    /// If a picture can't be converted or an inference fails; `readings` are of no use then.
    pub fn read(
        &mut self,
        scenes: &[PeopleScene<'_>],
        min_score: f32,
        readings: &mut Vec<PeopleReading>,
    ) -> Result<(), ModelError> {
        self.read_each(scenes.iter().copied(), min_score, readings)
    }

    /// The same of scenes that lie in no slice.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_each<'s>(
        &mut self,
        scenes: impl Iterator<Item = PeopleScene<'s>> + Clone,
        min_score: f32,
        readings: &mut Vec<PeopleReading>,
    ) -> Result<(), ModelError> {
        self.pool.resize(readings, scenes.clone().count());
        if scenes.clone().all(|scene| scene.tiles.is_empty()) {
            self.detector.detect_each(scenes.clone(), min_score, readings)?;
        } else {
            self.look_closer(scenes.clone(), min_score, readings)?;
        }
        self.measure_packed(scenes, readings)
    }

    // A density model of its own is large: it looks at those pictures alone whose density asks for it.
    fn measure_packed<'s>(
        &mut self,
        scenes: impl Iterator<Item = PeopleScene<'s>> + Clone,
        readings: &mut [PeopleReading],
    ) -> Result<(), ModelError> {
        let Some(model) = &mut self.density else { return Ok(()) };
        let hand_over = model.counting().and_then(|counting| counting.hand_over);
        let packed = |reading: &PeopleReading| match hand_over {
            Some(hand_over) => reading.density.is_empty() || reading.density.sum() > hand_over.in_picture[0],
            None => true,
        };
        let due = scenes.zip(&*readings).filter(|(_, reading)| packed(reading));
        model.measure(due.map(|(scene, _)| (scene.picture, scene.density_side_px)), &mut self.maps)?;
        for (reading, map) in readings.iter_mut().filter(|reading| packed(reading)).zip(&mut self.maps) {
            match hand_over.filter(|_| !reading.density.is_empty()) {
                None => std::mem::swap(&mut reading.density, map),
                Some(hand_over) => {
                    reading.density.shares(&hand_over, 0.0, &mut self.sums, &mut self.shares);
                    reading.density.give_way(map, &self.shares);
                }
            }
        }
        Ok(())
    }

    fn look_closer<'s>(
        &mut self,
        scenes: impl Iterator<Item = PeopleScene<'s>> + Clone,
        min_score: f32,
        readings: &mut [PeopleReading],
    ) -> Result<(), ModelError> {
        let larger = scenes.clone().flat_map(parts).map(|(tile, picture)| PeopleScene {
            picture,
            longer_side_px: tile.longer_side_px,
            density_side_px: 0,
            tiles: &[],
        });
        let all = scenes.clone().chain(larger);
        self.pool.resize(&mut self.looks, all.clone().count());
        let at_once = readings.len().max(LOOKS_AT_ONCE);
        for (number, looks) in self.looks.chunks_mut(at_once).enumerate() {
            self.detector.detect_each(all.clone().skip(number * at_once).take(looks.len()), min_score, looks)?;
        }
        let (wholes, mut tiled) = self.looks.split_at_mut(readings.len());
        for (scene, (whole, reading)) in scenes.zip(wholes.iter_mut().zip(readings)) {
            let (of_scene, rest) = tiled.split_at_mut(parts(scene).count());
            let seen = parts(scene).zip(&*of_scene).map(|((tile, _), look)| (tile, look.people.as_slice()));
            tile::join(&mut whole.people, scene.longer_side_px, seen, scene.picture.size(), &mut self.seen);
            std::mem::swap(reading, whole);
            tiled = rest;
        }
        Ok(())
    }

    /// Names and versions of the models, for events and reports.
    pub fn name(&self) -> String {
        let density = self.density.as_ref().map(DensityModel::manifest);
        let names = std::iter::once(self.detector.manifest()).chain(density);
        names.map(|manifest| format!("{} {}", manifest.name, manifest.version)).collect::<Vec<_>>().join(" + ")
    }

    /// How far the counts are off and where the ways of counting meet. With a density model, what was measured of that one holds, but
    /// for the hand-over from those who are made out, which is the person detector's where it measures a density.
    pub fn counting(&self) -> Option<Counting> {
        let own = self.detector.counting();
        let Some(model) = &self.density else { return own.cloned() };
        let counting = model.counting().cloned()?;
        let hand_over = own.filter(|_| self.detector.has_density()).and_then(|own| own.hand_over);
        Some(Counting { hand_over: hand_over.or(counting.hand_over), ..counting })
    }

    /// How high a head should be, in pixels of the tensor, for a density model of its own. None without one, or if it doesn't say.
    pub fn head_px(&self) -> Option<f32> {
        self.density.as_ref()?.counting()?.head_px
    }

    /// How many numbers were not finite, since it was loaded. More than 0 means a broken model.
    pub fn not_finite(&self) -> u64 {
        self.detector.not_finite() + self.density.as_ref().map_or(0, DensityModel::not_finite)
    }
}

/// A scene's tiles with their pixels.
fn parts<'s>(scene: PeopleScene<'s>) -> impl Iterator<Item = (&'s Tile, YuvPicture<'s>)> + Clone {
    scene.tiles.iter().filter_map(move |tile| Some((tile, tile.of(&scene.picture)?)))
}
