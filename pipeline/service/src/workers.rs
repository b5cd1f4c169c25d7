//! How many workers a model has, and how many pictures a batch.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_batching::{BatchPolicy, Batcher};
use gatehouse_config::Site;
use gatehouse_core::provider::Provider;
use gatehouse_core::time::Clock;
use gatehouse_runtime::ModelError;

use crate::report::usable_processors;

/// Runs of a benchmark; the fastest counts.
const RUNS: usize = 3;
/// Pictures in the largest batch that is tried.
pub(crate) const MAX_BATCH: usize = 8;

/// A batcher for batches of at most `max_batch` items.
pub(crate) fn batcher<T>(site: &Site, max_batch: usize, clock: &Arc<dyn Clock>) -> Batcher<T> {
    Batcher::new(BatchPolicy { max_batch, max_wait: site.models.max_wait }, Arc::clone(clock))
}

/// Loads a model once for each of its workers.
///
/// # Errors
/// If `load` fails.
pub(crate) fn load_copies<T>(
    site: &Site,
    cameras: usize,
    load: impl Fn() -> Result<T, ModelError>,
    provider: impl Fn(&T) -> Provider,
) -> Result<Vec<T>, ModelError> {
    let first = load()?;
    let workers = workers(site, cameras, provider(&first));
    std::iter::once(Ok(first)).chain((1..workers).map(|_| load())).collect()
}

/// The number of a model's workers. One worker at a time serves a camera, so more workers than
/// cameras would be idle.
fn workers(site: &Site, cameras: usize, provider: Provider) -> usize {
    let wanted = site.models.workers.unwrap_or_else(|| match provider {
        Provider::Cpu | Provider::OpenVino => (usable_processors() / site.models.threads).max(1),
        // One worker prepares its pictures while the other's are on the device.
        Provider::Cuda | Provider::TensorRt => 2,
    });
    wanted.min(cameras)
}

/// The number of pictures in a batch: as the site says; else 1 on a CPU, where a batch takes as
/// long as its pictures one after the other (`make bench`); else the best in a benchmark. `most`:
/// how many can wait at once.
///
/// # Errors
/// If `benchmark` fails.
pub(crate) fn batch_size(
    site: &Site,
    clock: &dyn Clock,
    most: usize,
    model: &str,
    provider: Provider,
    mut benchmark: impl FnMut(usize) -> Result<(), ModelError>,
) -> Result<usize, ModelError> {
    if let Some(wanted) = site.models.max_batch {
        return Ok(wanted);
    }
    if provider == Provider::Cpu {
        return Ok(1);
    }
    let batch = best_batch(most, |pictures| {
        benchmark(pictures)?;
        best_time(clock, || benchmark(pictures))
    })?;
    tracing::info!(model, %provider, batch, "the benchmark chose this batch size");
    Ok(batch)
}

/// The shortest time of a few runs: other programs take the processor during some.
///
/// # Errors
/// If `run` fails.
pub(crate) fn best_time(
    clock: &dyn Clock,
    mut run: impl FnMut() -> Result<(), ModelError>,
) -> Result<Duration, ModelError> {
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let start = clock.monotonic();
        run()?;
        best = best.min(clock.monotonic().since(start));
    }
    Ok(best)
}

/// The largest batch of 1, 2, 4 or 8 pictures, and of at most `most`, that takes at least a tenth
/// less per picture than half of it. `time` measures a batch.
fn best_batch<E>(most: usize, mut time: impl FnMut(usize) -> Result<Duration, E>) -> Result<usize, E> {
    let (mut best, mut each) = (1, time(1)?.as_secs_f64());
    while 2 * best <= most.min(MAX_BATCH) {
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
        let best = |ms: fn(usize) -> u64| {
            best_batch(20, |pictures| Ok::<_, ()>(Duration::from_millis(ms(pictures)))).expect("no run fails")
        };
        assert_eq!(best(|pictures| 10 * pictures as u64), 1, "a CPU");
        assert_eq!(best(|pictures| 10 + pictures as u64), 8, "a device with room");
        assert_eq!(best(|pictures| 10 * pictures.div_ceil(4) as u64), 4, "a device that is full with four");
        let fails = |pictures| if pictures == 1 { Ok(Duration::ZERO) } else { Err(pictures) };
        assert_eq!(best_batch(8, fails), Err(2));
        assert_eq!(best_batch(1, fails), Ok(1), "one camera");
    }
}
