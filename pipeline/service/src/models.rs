//! The models of a node, and how many of each: one for every worker.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread::{self, available_parallelism};
use std::time::Duration;

use gatehouse_config::{self as config, Site};
use gatehouse_core::time::Clock;
use gatehouse_models::{
    FaceDetector, FaceEmbedder, LivenessModel, ModelError, PeopleReader, Provider, Registry, SessionOptions,
};

use crate::NodeError;
use crate::crowd_rules;
use crate::threads::take;

/// The models that a site's cameras need, loaded and warm.
pub(crate) struct Models {
    /// For gates, where there are any.
    pub(crate) face: Option<FaceModels>,
    /// For crowd cameras; one for each worker.
    pub(crate) people: Vec<PeopleReader>,
    /// Scenes that go through one at once.
    pub(crate) people_batch: usize,
}

/// What gates need, each for one worker.
pub(crate) struct FaceModels {
    pub(crate) detectors: Vec<FaceDetector>,
    /// Frames that go through a detector at once.
    pub(crate) detection_batch: usize,
    pub(crate) recognisers: Vec<FaceRecognition>,
    /// Faces that go through an embedder at once.
    pub(crate) embedding_batch: usize,
}

/// What a recognising worker needs.
pub(crate) struct FaceRecognition {
    pub(crate) embedder: FaceEmbedder,
    /// None where no gate asks for liveness.
    pub(crate) liveness: Option<LivenessModel>,
}

impl Models {
    /// Loads what the site's cameras need, and nothing else: a site of crowd cameras loads no face model.
    pub(crate) fn load(site: &Site, registry: &Registry, clock: &dyn Clock) -> Result<Self, NodeError> {
        let options = SessionOptions { intra_threads: site.models.threads };
        let people = || {
            // ONNX Runtime's own threads are as urgent as the one that opens the session.
            take(crowd_rules::model_urgency(site));
            let (detector, density) = (&site.models.person_detector, site.models.crowd_density.as_deref());
            let load = || PeopleReader::load(registry, detector, density, &options);
            let mut people = copies(site, site.crowds.len(), load, PeopleReader::provider)?;
            let batch = people.first_mut().map(|reader| {
                batch_size(site, clock, detector, reader.provider(), |pictures| reader.rehearse(pictures))
            });
            Ok::<_, ModelError>((people, batch.transpose()?.unwrap_or(1)))
        };
        thread::scope(|scope| {
            let people = scope.spawn(people);
            let face = FaceModels::load(site, registry, &options, clock);
            let people = people.join().unwrap_or_else(|panic| resume_unwind(panic));
            let (people, people_batch) = people?;
            Ok(Self { face: face?, people, people_batch })
        })
    }
}

impl FaceModels {
    fn load(
        site: &Site,
        registry: &Registry,
        options: &SessionOptions,
        clock: &dyn Clock,
    ) -> Result<Option<Self>, ModelError> {
        let models = &site.models;
        let asks = site.gates.iter().any(|gate| gate.liveness != config::Liveness::Off);
        let detector = || FaceDetector::load(registry, &models.face_detector, options);
        let recognition = || {
            Ok(FaceRecognition {
                embedder: FaceEmbedder::load(registry, &models.face_embedder, options)?,
                liveness: asks.then(|| LivenessModel::load(registry, &models.liveness, options)).transpose()?,
            })
        };
        let mut detectors = copies(site, site.gates.len(), detector, FaceDetector::provider)?;
        let mut recognisers = copies(site, site.gates.len(), recognition, |models| models.embedder.provider())?;
        let ([detector, ..], [recogniser, ..]) = (&mut *detectors, &mut *recognisers) else { return Ok(None) };
        let embedder = &mut recogniser.embedder;
        let (detected_by, embedded_by) = (detector.provider(), embedder.provider());
        Ok(Some(Self {
            detection_batch: batch_size(site, clock, &models.face_detector, detected_by, |n| detector.rehearse(n))?,
            embedding_batch: batch_size(site, clock, &models.face_embedder, embedded_by, |n| embedder.rehearse(n))?,
            detectors,
            recognisers,
        }))
    }
}

/// A model for each worker.
fn copies<T>(
    site: &Site,
    cameras: usize,
    load: impl Fn() -> Result<T, ModelError>,
    provider: impl Fn(&T) -> Provider,
) -> Result<Vec<T>, ModelError> {
    if cameras == 0 {
        return Ok(Vec::new());
    }
    let first = load()?;
    let workers = workers(site, cameras, provider(&first));
    std::iter::once(Ok(first)).chain((1..workers).map(|_| load())).collect()
}

/// How many workers a model has. A camera's frames are never with two, so more than there are cameras would be idle.
fn workers(site: &Site, cameras: usize, provider: Provider) -> usize {
    let processors = || available_parallelism().map_or(1, NonZero::get);
    let wanted = site.models.workers.unwrap_or_else(|| match provider {
        Provider::Cpu | Provider::OpenVino => (processors() / site.models.threads).max(1),
        // One prepares its pictures while the other's are on the device.
        Provider::Cuda | Provider::TensorRt => 2,
    });
    wanted.min(cameras)
}

/// Pictures that go through a model at once: what the site says, else 1 on a CPU, where a batch takes as long as its pictures one by
/// one (`make bench`: inference alone), else what a rehearsal shows.
fn batch_size(
    site: &Site,
    clock: &dyn Clock,
    model: &str,
    provider: Provider,
    mut rehearse: impl FnMut(usize) -> Result<(), ModelError>,
) -> Result<usize, ModelError> {
    if let Some(wanted) = site.models.max_batch {
        return Ok(wanted);
    }
    if provider == Provider::Cpu {
        return Ok(1);
    }
    let batch = batch_that_pays(|pictures| {
        rehearse(pictures)?;
        let start = clock.monotonic();
        (0..REHEARSALS).try_for_each(|_| rehearse(pictures))?;
        Ok::<_, ModelError>(clock.monotonic().since(start))
    })?;
    tracing::info!(model, %provider, batch, "how many pictures at once were measured to pay");
    Ok(batch)
}

const REHEARSALS: usize = 5;

/// The largest of 1, 2, 4 and 8 pictures for which each takes at least a tenth less than for half as many. `time` tells how long so
/// many at once take.
fn batch_that_pays<E>(mut time: impl FnMut(usize) -> Result<Duration, E>) -> Result<usize, E> {
    let (mut best, mut each) = (1, time(1)?.as_secs_f64());
    while best < 8 {
        let next = time(2 * best)?.as_secs_f64() / (2 * best) as f64;
        if next > 0.9 * each {
            break;
        }
        (best, each) = (2 * best, next);
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_grows_while_each_picture_takes_less() {
        let pays = |ms: fn(usize) -> u64| {
            batch_that_pays(|pictures| Ok::<_, ()>(Duration::from_millis(ms(pictures)))).expect("it is told")
        };
        assert_eq!(pays(|pictures| 10 * pictures as u64), 1, "a CPU");
        assert_eq!(pays(|pictures| 10 + pictures as u64), 8, "a device with room");
        assert_eq!(pays(|pictures| 10 * pictures.div_ceil(4) as u64), 4, "a device that is full with four");
        assert_eq!(batch_that_pays(|pictures| if pictures == 1 { Ok(Duration::ZERO) } else { Err(pictures) }), Err(2));
    }
}
