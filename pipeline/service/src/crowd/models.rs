//! The models that crowd cameras need.

use std::collections::BTreeSet;

use gatehouse_config::Site;
use gatehouse_core::time::Clock;
use gatehouse_crowd::CrowdReader;
use gatehouse_runtime::{ModelError, Registry, SessionOptions};

use super::settings::detail_px;
use crate::model_load::ModelLoad;
use crate::workers::{batch_size, best_time, load_copies};

pub(crate) struct CrowdModels {
    /// One for each worker; never empty.
    pub(super) readers: Vec<CrowdReader>,
    pub(super) batch: usize,
}

impl CrowdModels {
    /// Loads the models; `None` for a site without crowd cameras.
    ///
    /// # Errors
    /// If a model is missing or wrong.
    pub(crate) fn load(site: &Site, registry: &Registry, options: &SessionOptions) -> Result<Option<Self>, ModelError> {
        if site.crowds.is_empty() {
            return Ok(None);
        }
        let (detector, density) = (&site.models.person_detector, site.models.crowd_density.as_deref());
        let load = || CrowdReader::load(registry, detector, density, options);
        let readers = load_copies(site, site.crowds.len(), load, CrowdReader::provider)?;
        Ok(Some(Self { readers, batch: 1 }))
    }

    /// Warms up all readers, chooses the batch size, and adds the processor time that counting
    /// needs to `load`.
    ///
    /// # Errors
    /// If a model can't be run.
    pub(crate) fn benchmark(&mut self, site: &Site, clock: &dyn Clock, load: &mut ModelLoad) -> Result<(), ModelError> {
        let sizes: BTreeSet<usize> = site.crowds.iter().map(detail_px).collect();
        for reader in &mut self.readers {
            sizes.iter().try_for_each(|px| reader.benchmark(1, *px))?;
        }
        let Some(reader) = self.readers.first_mut() else { return Ok(()) };
        let provider = reader.provider();
        let largest = sizes.last().copied().unwrap_or_default();
        let name = &site.models.person_detector;
        self.batch =
            batch_size(site, clock, site.crowds.len(), name, provider, |scenes| reader.benchmark(scenes, largest))?;
        for px in sizes {
            let each = best_time(clock, || reader.benchmark(1, px))?;
            let cameras = site.crowds.iter().filter(|camera| detail_px(camera) == px);
            load.add(cameras.map(|camera| (camera.id.as_str(), camera.analyse_fps)), each, provider);
        }
        Ok(())
    }
}
