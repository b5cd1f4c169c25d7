//! What crowd cameras see of people: somebody finds them one by one, and the same model or one of its own measures how dense they
//! stand.

use gatehouse_picture::YuvPicture;

use crate::density::DensityMap;
use crate::density_model::DensityModel;
use crate::error::ModelError;
use crate::manifest::Counting;
use crate::nanodet::{Person, PersonDetector};
use crate::registry::Registry;
use crate::session::SessionOptions;
use crate::tile::{self, Tile};

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
    /// Of the last scenes and of all their tiles.
    looks: Vec<PeopleReading>,
}

impl PeopleReader {
    /// Opens and warms up the named models. Without a density model, the density is the person detector's, if it has one.
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
            looks: Vec::new(),
        })
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
        if scenes.iter().all(|scene| scene.tiles.is_empty()) {
            self.detector.detect(scenes, min_score, readings)?;
        } else {
            self.look_closer(scenes, min_score, readings)?;
        }
        if let Some(model) = &mut self.density {
            model.measure(scenes.iter().map(|scene| (scene.picture, scene.density_side_px)), &mut self.maps)?;
            for (reading, map) in readings.iter_mut().zip(&mut self.maps) {
                std::mem::swap(&mut reading.density, map);
            }
        }
        Ok(())
    }

    fn look_closer(
        &mut self,
        scenes: &[PeopleScene<'_>],
        min_score: f32,
        readings: &mut Vec<PeopleReading>,
    ) -> Result<(), ModelError> {
        let tiles: Vec<_> =
            (0..).zip(scenes).flat_map(|(number, scene)| parts(scene).map(move |part| (number, part))).collect();
        let larger = tiles.iter().map(|(_, (tile, picture))| PeopleScene {
            picture: *picture,
            longer_side_px: tile.longer_side_px,
            density_side_px: 0,
            tiles: &[],
        });
        let looks: Vec<_> = scenes.iter().copied().chain(larger).collect();
        self.detector.detect(&looks, min_score, &mut self.looks)?;
        readings.resize_with(scenes.len(), PeopleReading::default);
        let (wholes, parts) = self.looks.split_at_mut(scenes.len());
        for (number, (scene, (whole, reading))) in scenes.iter().zip(wholes.iter_mut().zip(readings)).enumerate() {
            let of_scene = tiles.iter().zip(&*parts).filter(|((of, _), _)| *of == number);
            let seen = of_scene.map(|((_, (tile, _)), look)| (*tile, look.people.as_slice()));
            tile::join(&mut whole.people, scene.longer_side_px, seen, scene.picture.size());
            std::mem::swap(reading, whole);
        }
        Ok(())
    }

    /// Names and versions of the models, for events and reports.
    pub fn name(&self) -> String {
        let density = self.density.as_ref().map(DensityModel::manifest);
        let names = std::iter::once(self.detector.manifest()).chain(density);
        names.map(|manifest| format!("{} {}", manifest.name, manifest.version)).collect::<Vec<_>>().join(" + ")
    }

    /// How far the counts are off and where the ways of counting meet: what was measured of the model that gives the density.
    pub fn counting(&self) -> Option<&Counting> {
        self.density.as_ref().map_or(self.detector.manifest(), DensityModel::manifest).counting.as_ref()
    }

    /// How high a head should be, in pixels of the tensor, for a density model of its own. None without one, or if it doesn't say.
    pub fn head_px(&self) -> Option<f32> {
        self.density.as_ref().and(self.counting())?.head_px
    }

    /// Whether the density has a model of its own.
    pub fn has_density_model(&self) -> bool {
        self.density.is_some()
    }

    /// How many numbers were not finite, since it was loaded. More than 0 means a broken model.
    pub fn not_finite(&self) -> u64 {
        self.detector.not_finite() + self.density.as_ref().map_or(0, DensityModel::not_finite)
    }
}

/// A scene's tiles with their pixels.
fn parts<'s>(scene: &'s PeopleScene<'_>) -> impl Iterator<Item = (&'s Tile, YuvPicture<'s>)> {
    scene.tiles.iter().filter_map(|tile| Some((tile, tile.of(&scene.picture)?)))
}
