//! Models that measure a density and detect nobody, such as CSRNet (Li, Zhang, Chen, 2018).

use gatehouse_picture::YuvPicture;
use gatehouse_runtime::{Fit, Manifest, ModelError, PictureModel, Registry, ResultPool, SessionOptions, Task};

use crate::counting::Counting;
use crate::density::DensityMap;

const DENSITY: &str = "density";
/// Side of a cell in pixels of the tensor.
const CELL_PX: usize = 8;

/// Measures densities in batches of pictures. Owns its session and buffers; one per worker.
#[derive(Debug)]
pub struct DensityModel {
    model: PictureModel,
    /// Measured errors of its counts, if its manifest has them.
    pub counting: Option<Counting>,
    pool: ResultPool<DensityMap>,
}

impl DensityModel {
    /// Opens the named model and warms it up. Its output `density` is [batch, 1, height / 8, width
    /// / 8], in people per cell.
    ///
    /// # Errors
    /// If it is unknown, for another task, not the file of its manifest, or lacks the output. Also
    /// if its `[counting]` table is wrong.
    pub fn load(registry: &Registry, name: &str, options: &SessionOptions) -> Result<Self, ModelError> {
        let model = registry.load(name, Task::CrowdDensity, options)?;
        model.require_output(DENSITY)?;
        let counting = Counting::of(model.manifest())?;
        let model = PictureModel::new(model, Fit::Scale, CELL_PX)?;
        Ok(Self { model, counting, pool: ResultPool::default() })
    }

    /// Measures pictures; each comes with its longer side in the tensor, in pixels. `maps[i]`
    /// belongs to `pictures[i]`.
    ///
    /// # Errors
    /// If a picture can't be converted or the inference fails. `maps` is undefined then.
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
                map.fill(cells.index_axis_move(ndarray::Axis(0), 0));
            }
            Ok(())
        })
    }

    /// The manifest that it was opened by.
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }
}
