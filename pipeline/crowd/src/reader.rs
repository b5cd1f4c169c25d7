//! The models of crowd cameras, in the order in which fusion needs them.

use gatehouse_people::{Counting, DensityMap, DensityModel, FusionRamp, PeopleReading, PeopleScene, TiledDetector};
use gatehouse_runtime::{ModelError, Provider, Registry, SessionOptions};

use crate::fusion::{MapMerger, combined_counting, needs_density_model};

/// Reads people by a person detector and, if set, a separate density model; one per worker.
#[derive(Debug)]
pub struct CrowdReader {
    tiled: TiledDetector,
    density: Option<DensityModel>,
    maps: Vec<DensityMap>,
    merger: MapMerger,
}

impl CrowdReader {
    /// Opens the named models and warms them up.
    ///
    /// # Errors
    /// As [`TiledDetector::load`] and [`DensityModel::load`].
    pub fn load(
        registry: &Registry,
        detector: &str,
        density: Option<&str>,
        options: &SessionOptions,
    ) -> Result<Self, ModelError> {
        let tiled = TiledDetector::load(registry, detector, options)?;
        let density = density.map(|name| DensityModel::load(registry, name, options)).transpose()?;
        Ok(Self { tiled, density, maps: Vec::new(), merger: MapMerger::default() })
    }

    /// Reads people with scores of `min_score` (0–1) and more, best first, and their density.
    /// `readings[i]` belongs to `scenes[i]`.
    ///
    /// # Errors
    /// If a picture can't be converted or an inference fails. `readings` is undefined then.
    pub fn read<'s>(
        &mut self,
        scenes: impl Iterator<Item = PeopleScene<'s>> + Clone,
        min_score: f32,
        readings: &mut Vec<PeopleReading>,
    ) -> Result<(), ModelError> {
        self.tiled.detect(scenes.clone(), min_score, readings)?;
        let Some(model) = &mut self.density else { return Ok(()) };
        let ramp: Option<FusionRamp> = model.counting.as_ref().and_then(|counting| counting.fusion_ramp);
        let needed = |reading: &PeopleReading| needs_density_model(&reading.density, ramp.as_ref());
        let packed = scenes.zip(&*readings).filter(|(_, reading)| needed(reading));
        model.measure(packed.map(|(scene, _)| (scene.picture, scene.density_side_px)), &mut self.maps)?;
        for (reading, map) in readings.iter_mut().filter(|reading| needed(reading)).zip(&mut self.maps) {
            self.merger.merge(&mut reading.density, map, ramp.as_ref());
        }
        Ok(())
    }

    /// Runs the person detector on one batch of empty scenes, for the caller to time.
    ///
    /// # Errors
    /// As [`gatehouse_people::PersonDetector::benchmark`].
    pub fn benchmark(&mut self, scenes: usize, longer_side_px: usize) -> Result<(), ModelError> {
        self.tiled.detector.benchmark(scenes, longer_side_px)
    }

    /// The execution provider of the person detector.
    pub fn provider(&self) -> Provider {
        self.tiled.detector.provider()
    }

    /// Names and versions of the models, for events and reports.
    pub fn name(&self) -> String {
        let density = self.density.as_ref().map(DensityModel::manifest);
        let names = std::iter::once(self.tiled.detector.manifest()).chain(density);
        names.map(|manifest| format!("{} {}", manifest.name, manifest.version)).collect::<Vec<_>>().join(" + ")
    }

    /// Measured errors of its counts, and where density takes over.
    pub fn counting(&self) -> Option<Counting> {
        let detector = &self.tiled.detector;
        match &self.density {
            None => detector.counting.clone(),
            Some(model) => {
                Some(combined_counting(detector.counting.as_ref(), detector.has_density, model.counting.as_ref()?))
            }
        }
    }

    /// Best height of a head for a separate density model, in pixels of the tensor, if it is known.
    pub fn head_px(&self) -> Option<f32> {
        self.density.as_ref()?.counting.as_ref()?.head_px
    }
}
