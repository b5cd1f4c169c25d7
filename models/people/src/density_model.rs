//! Models that measure a density and find nobody: CSRNet (Li, Zhang, Chen, 2018) and whatever else turns a picture into people
//! per cell.

use gatehouse_picture::YuvPicture;
use gatehouse_runtime::{Fit, Manifest, ModelError, PictureModel, Registry, ResultPool, SessionOptions, Task};

use crate::counting::Counting;
use crate::density::DensityMap;

const DENSITY: &str = "density";
/// Pixels of the tensor along a cell.
const CELL_PX: usize = 8;

/// Measures densities in batches of pictures. Owns its session and buffers; one per worker.
#[derive(Debug)]
pub struct DensityModel {
    model: PictureModel,
    counting: Option<Counting>,
    not_finite: u64,
    pool: ResultPool<DensityMap>,
}

impl DensityModel {
    /// Opens and warms up the named model.
    ///
    /// # Errors
    /// If it is unknown, for another task, not the file of its manifest, or has no output `density`, [batch, 1, height / 8,
    /// width / 8], people per cell.
    pub fn load(registry: &Registry, name: &str, options: &SessionOptions) -> Result<Self, ModelError> {
        let model = registry.load(name, Task::CrowdDensity, options)?;
        model.require_output(DENSITY)?;
        let counting = Counting::of(model.manifest())?;
        let model = PictureModel::new(model, Fit::Scale, CELL_PX)?;
        Ok(Self { model, counting, not_finite: 0, pool: ResultPool::default() })
    }

    /// Measures each picture, whose longer side is brought to the number of pixels beside it. `maps[i]` belongs to `pictures[i]`.
    ///
    /// # Errors
    /// If a picture can't be converted or the inference fails; `maps` are of no use then.
    pub fn measure<'p>(
        &mut self,
        pictures: impl Iterator<Item = (YuvPicture<'p>, usize)> + Clone,
        maps: &mut Vec<DensityMap>,
    ) -> Result<(), ModelError> {
        self.pool.resize(maps, pictures.clone().count());
        self.model.run_batches(pictures.map(|(picture, longer_side)| (picture, Some(longer_side))), |batch| {
            let cells = [batch.pictures.len(), 1, batch.size.height / CELL_PX, batch.size.width / CELL_PX];
            for (cells, picture) in batch.outputs.array(DENSITY, cells)?.outer_iter().zip(batch.pictures) {
                let (map, place) = (&mut maps[*picture], &batch.placements[*picture]);
                map.reset(place.frame(), place, CELL_PX);
                self.not_finite += map.fill(cells.index_axis_move(ndarray::Axis(0), 0));
            }
            Ok(())
        })
    }

    /// The manifest it was opened by.
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// Measured errors of its counts, if its manifest has them.
    pub fn counting(&self) -> Option<&Counting> {
        self.counting.as_ref()
    }

    /// How many cells had a number that is not finite, since it was loaded. More than 0 means a broken model.
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }
}
