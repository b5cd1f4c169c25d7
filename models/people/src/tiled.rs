//! Detects people in whole pictures and again, larger, in tiles.

use gatehouse_picture::YuvPicture;
use gatehouse_runtime::{ModelError, Registry, ResultPool, SessionOptions};

use crate::nanodet::PersonDetector;
use crate::scene::{PeopleReading, PeopleScene};
use crate::tile::{self, Tile};

/// Most tiles that share a batch, to bound memory: several pictures can have dozens.
const MOST_VIEWS_AT_ONCE: usize = 4;

/// Detects people in scenes with tiles. Owns its session and buffers; one per worker.
#[derive(Debug)]
pub struct TiledDetector {
    /// Detects people in each view.
    pub detector: PersonDetector,
    /// Readings of all views: whole pictures first, then tiles.
    views: Vec<PeopleReading>,
    candidates: Vec<tile::Candidate>,
    pool: ResultPool<PeopleReading>,
}

impl TiledDetector {
    /// Opens the named model and warms it up.
    ///
    /// # Errors
    /// As [`PersonDetector::load`].
    pub fn load(registry: &Registry, name: &str, options: &SessionOptions) -> Result<Self, ModelError> {
        let detector = PersonDetector::load(registry, name, options)?;
        Ok(Self { detector, views: Vec::new(), candidates: Vec::new(), pool: ResultPool::default() })
    }

    /// Detects people with scores of `min_score` (0–1) and more, best first, and the density of the
    /// whole picture if the model measures it. `readings[i]` belongs to `scenes[i]`.
    ///
    /// # Errors
    /// If a picture can't be converted or the inference fails. `readings` is undefined then.
    pub fn detect<'s>(
        &mut self,
        scenes: impl Iterator<Item = PeopleScene<'s>> + Clone,
        min_score: f32,
        readings: &mut Vec<PeopleReading>,
    ) -> Result<(), ModelError> {
        self.pool.resize(readings, scenes.clone().count());
        if scenes.clone().all(|scene| scene.tiles.is_empty()) {
            return self.detector.detect_each(scenes, min_score, readings);
        }
        let larger = scenes.clone().flat_map(tiles_with_pixels).map(|(tile, picture)| PeopleScene {
            picture,
            longer_side_px: tile.longer_side_px,
            density_side_px: 0,
            tiles: &[],
        });
        let all = scenes.clone().chain(larger);
        self.pool.resize(&mut self.views, all.clone().count());
        let at_once = readings.len().max(MOST_VIEWS_AT_ONCE);
        for (number, views) in self.views.chunks_mut(at_once).enumerate() {
            self.detector.detect_each(all.clone().skip(number * at_once).take(views.len()), min_score, views)?;
        }
        let (wholes, mut tiled) = self.views.split_at_mut(readings.len());
        for (scene, (whole, reading)) in scenes.zip(wholes.iter_mut().zip(readings)) {
            let (of_scene, rest) = tiled.split_at_mut(tiles_with_pixels(scene).count());
            let views = tiles_with_pixels(scene).zip(&*of_scene);
            let views = views.map(|((tile, _), view)| (tile, view.people.as_slice()));
            tile::merge(&mut whole.people, scene.longer_side_px, views, scene.picture.size(), &mut self.candidates);
            std::mem::swap(reading, whole);
            tiled = rest;
        }
        Ok(())
    }
}

/// A scene's tiles with their pixels, without those outside the picture.
fn tiles_with_pixels<'s>(scene: PeopleScene<'s>) -> impl Iterator<Item = (&'s Tile, YuvPicture<'s>)> + Clone {
    scene.tiles.iter().filter_map(move |tile| Some((tile, tile.cut(&scene.picture)?)))
}
