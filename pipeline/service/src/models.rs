//! The models of a node, and how many of each: one for every worker.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use gatehouse_config::Site;
use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::provider::Provider;
use gatehouse_core::time::Clock;
use gatehouse_crowd::CrowdReader;
use gatehouse_faces::calibration::Calibration;
use gatehouse_faces::{FaceDetector, FaceEmbedder, LivenessModel};
use gatehouse_people::Counting;
use gatehouse_runtime::{Catalogue, ManifestError, ModelError, Registry, SessionOptions};

use crate::NodeError;
use crate::crowd_rules::{self, detail_px};
use crate::load::FULL;
use crate::processors::usable;
use crate::threads::apply_priority;

/// The models that a site's cameras need, loaded and warm.
pub(crate) struct Models {
    /// For gates, where there are any.
    pub(crate) face: Option<FaceModels>,
    /// For crowd cameras; one for each worker.
    pub(crate) people: Vec<CrowdReader>,
    /// Scenes that go through one at once.
    pub(crate) people_batch: usize,
}

/// Loads the manifests that ship and those of these folders, and checks the tables that faces and people read.
///
/// # Errors
/// If a folder or a manifest can't be read, or a manifest is wrong.
pub fn load_catalogue(folders: &[PathBuf]) -> Result<Catalogue, ManifestError> {
    let catalogue = Catalogue::with_folders(folders)?;
    for manifest in catalogue.iter() {
        Calibration::of(manifest)?;
        Counting::of(manifest)?;
    }
    Ok(catalogue)
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
        let loaded = thread::scope(|scope| {
            let people = scope.spawn(|| {
                // ONNX Runtime's own threads inherit the priority of the thread that opens the session.
                apply_priority(crowd_rules::model_priority(site));
                load_people(site, registry, &options)
            });
            let face = FaceModels::load(site, registry, &options);
            let people = people.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok::<_, ModelError>((face?, people?))
        });
        let (face, people) = loaded?;
        let mut models = Self { face, people, people_batch: 1 };
        models.rehearse(site, clock)?;
        Ok(models)
    }

    /// Measures, one model after the other, how many pictures at once are best, and how much of this machine the site takes.
    fn rehearse(&mut self, site: &Site, clock: &dyn Clock) -> Result<(), ModelError> {
        let names = &site.models;
        let mut demand = Demand::default();
        if let Some(FaceModels { detectors, detection_batch, recognisers, embedding_batch }) = &mut self.face
            && let ([detector, ..], [FaceRecognition { embedder, .. }, ..]) = (&mut **detectors, &mut **recognisers)
        {
            let provider = detector.provider();
            *detection_batch = batch_size(site, clock, site.gates.len(), &names.face_detector, provider, |n| {
                detector.benchmark(n, None)
            })?;
            let provider = embedder.provider();
            *embedding_batch =
                batch_size(site, clock, MOST_AT_ONCE, &names.face_embedder, provider, |n| embedder.benchmark(n))?;
            let each = timed(clock, || detector.benchmark(1, None))?;
            let gates = site.gates.iter().map(|gate| (gate.id.as_str(), gate.analyse_fps));
            demand.add(gates, each, detector.provider());
        }
        let sizes: BTreeSet<usize> = site.crowds.iter().map(detail_px).collect();
        for reader in &mut self.people {
            sizes.iter().try_for_each(|px| reader.benchmark(1, *px))?;
        }
        if let Some(reader) = self.people.first_mut() {
            let provider = reader.provider();
            let largest = sizes.last().copied().unwrap_or_default();
            let rehearse = |scenes| reader.benchmark(scenes, largest);
            self.people_batch = batch_size(site, clock, site.crowds.len(), &names.person_detector, provider, rehearse)?;
            for px in sizes {
                let each = timed(clock, || reader.benchmark(1, px))?;
                let cameras = site.crowds.iter().filter(|camera| detail_px(camera) == px);
                demand.add(cameras.map(|camera| (camera.id.as_str(), camera.analyse_fps)), each, provider);
            }
        }
        demand.tell(site.models.threads);
        Ok(())
    }
}

fn load_people(site: &Site, registry: &Registry, options: &SessionOptions) -> Result<Vec<CrowdReader>, ModelError> {
    let (detector, density) = (&site.models.person_detector, site.models.crowd_density.as_deref());
    let load = || CrowdReader::load(registry, detector, density, options);
    copies(site, site.crowds.len(), load, CrowdReader::provider)
}

impl FaceModels {
    fn load(site: &Site, registry: &Registry, options: &SessionOptions) -> Result<Option<Self>, ModelError> {
        let models = &site.models;
        let asks = site.gates.iter().any(|gate| gate.liveness != LivenessPolicy::Off);
        let detector = || FaceDetector::load(registry, &models.face_detector, options);
        let recognition = || {
            Ok(FaceRecognition {
                embedder: FaceEmbedder::load(registry, &models.face_embedder, options)?,
                liveness: asks.then(|| LivenessModel::load(registry, &models.liveness, options)).transpose()?,
            })
        };
        let detectors = copies(site, site.gates.len(), detector, FaceDetector::provider)?;
        let recognisers = copies(site, site.gates.len(), recognition, |models| models.embedder.provider())?;
        let some = !detectors.is_empty();
        Ok(some.then_some(Self { detectors, detection_batch: 1, recognisers, embedding_batch: 1 }))
    }
}

/// How much processor time the models take when every frame that is due is looked at.
#[derive(Default)]
struct Demand {
    processors: f64,
}

impl Demand {
    /// Cameras by their ids with so many frames a second, each of which takes a worker so long. What runs elsewhere takes no processor,
    /// and a camera no more than one worker, since its frames are looked at one after the other.
    fn add<'s>(&mut self, cameras: impl Iterator<Item = (&'s str, f64)>, each: Duration, provider: Provider) {
        for (camera, rate) in cameras {
            if provider.takes_processors() {
                self.processors += (rate * each.as_secs_f64()).min(1.0);
            }
            if let Some(problem) = faster_than_one_by_one(rate, each) {
                tracing::warn!(camera, "{problem}");
            }
        }
    }

    /// `threads`: of each worker.
    fn tell(&self, threads: usize) {
        let (needed, processors) = (self.processors * threads as f64, usable());
        match more_than_there_are(needed, processors) {
            Some(problem) => tracing::warn!("{problem}"),
            None => {
                tracing::info!("models take {needed:.1} of {processors} processors when every frame is looked at");
            }
        }
    }
}

/// What to say of models that take so many of the processors that the node is full with them.
fn more_than_there_are(needed: f64, processors: usize) -> Option<String> {
    (needed >= FULL * processors as f64).then(|| {
        format!(
            "this node is full before a stream is decoded: models alone take {needed:.1} of {processors} processors when every frame \
             is looked at. It looks at fewer, of crowd cameras first. Give cameras to another node, or lower `analyse_fps` or \
             `detail_px`"
        )
    })
}

/// What to say of a camera that asks for `rate` frames a second where `each` takes so long that it can't have them, however many
/// workers are free: its frames are looked at one after the other.
fn faster_than_one_by_one(rate: f64, each: Duration) -> Option<String> {
    let most = 1.0 / each.as_secs_f64();
    (rate > most).then(|| {
        format!(
            "it asks for {rate} frames a second and gets {most:.1} at most: they are looked at one after the other, and each takes {:.0} ms. \
             Lower `analyse_fps`, or choose a faster model",
            1000.0 * each.as_secs_f64()
        )
    })
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
    let wanted = site.models.workers.unwrap_or_else(|| match provider {
        Provider::Cpu | Provider::OpenVino => (usable() / site.models.threads).max(1),
        // One prepares its pictures while the other's are on the device.
        Provider::Cuda | Provider::TensorRt => 2,
    });
    wanted.min(cameras)
}

/// Pictures that go through a model at once: what the site says, else 1 on a CPU, where a batch takes as long as its pictures one by
/// one (`make bench`: inference alone), else what a rehearsal shows. `most` can wait at once.
fn batch_size(
    site: &Site,
    clock: &dyn Clock,
    most: usize,
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
    let batch = batch_that_pays(most, |pictures| {
        rehearse(pictures)?;
        timed(clock, || rehearse(pictures))
    })?;
    tracing::info!(model, %provider, batch, "how many pictures at once were measured to pay");
    Ok(batch)
}

/// How long it takes at best, of some tries: in others somebody else had the processor.
fn timed(clock: &dyn Clock, mut run: impl FnMut() -> Result<(), ModelError>) -> Result<Duration, ModelError> {
    let mut best = Duration::MAX;
    for _ in 0..REHEARSALS {
        let start = clock.monotonic();
        run()?;
        best = best.min(clock.monotonic().since(start));
    }
    Ok(best)
}

const REHEARSALS: usize = 3;
/// Pictures in the largest batch that is tried.
const MOST_AT_ONCE: usize = 8;

/// The largest of 1, 2, 4 and 8 pictures, and of no more than `most`, for which each takes at least a tenth less than for half as
/// many. `time` tells how long so many at once take.
fn batch_that_pays<E>(most: usize, mut time: impl FnMut(usize) -> Result<Duration, E>) -> Result<usize, E> {
    let (mut best, mut each) = (1, time(1)?.as_secs_f64());
    while 2 * best <= most.min(MOST_AT_ONCE) {
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
    fn a_camera_takes_one_worker_at_most_and_no_processor_of_a_device() {
        let mut demand = Demand::default();
        demand.add([("a", 5.0), ("b", 20.0)].into_iter(), Duration::from_millis(100), Provider::Cpu);
        demand.add([("c", 5.0)].into_iter(), Duration::from_millis(100), Provider::Cuda);
        assert_eq!(demand.processors, 1.5);
    }

    #[test]
    fn models_that_take_nine_tenths_of_the_processors_are_told_of() {
        assert_eq!(more_than_there_are(1.79, 2), None);
        let expected = "this node is full before a stream is decoded: models alone take 3.2 of 2 processors when every frame is looked \
                        at. It looks at fewer, of crowd cameras first. Give cameras to another node, or lower `analyse_fps` or \
                        `detail_px`";
        assert_eq!(more_than_there_are(3.2, 2).as_deref(), Some(expected));
    }

    #[test]
    fn a_camera_that_asks_for_more_than_its_frames_one_by_one_is_told_of() {
        let told = |rate| faster_than_one_by_one(rate, Duration::from_millis(123));
        assert_eq!(told(8.0), None);
        let expected = "it asks for 12.5 frames a second and gets 8.1 at most: they are looked at one after the other, and each takes \
                        123 ms. Lower `analyse_fps`, or choose a faster model";
        assert_eq!(told(12.5).as_deref(), Some(expected));
    }

    #[test]
    fn a_batch_grows_while_each_picture_takes_less() {
        let pays = |ms: fn(usize) -> u64| {
            batch_that_pays(20, |pictures| Ok::<_, ()>(Duration::from_millis(ms(pictures)))).expect("it is told")
        };
        assert_eq!(pays(|pictures| 10 * pictures as u64), 1, "a CPU");
        assert_eq!(pays(|pictures| 10 + pictures as u64), 8, "a device with room");
        assert_eq!(pays(|pictures| 10 * pictures.div_ceil(4) as u64), 4, "a device that is full with four");
        let fails = |pictures| if pictures == 1 { Ok(Duration::ZERO) } else { Err(pictures) };
        assert_eq!(batch_that_pays(8, fails), Err(2));
        assert_eq!(batch_that_pays(1, fails), Ok(1), "one camera");
    }
}
