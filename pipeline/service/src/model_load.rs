//! The processor time that a node's models need, before any stream is decoded.

use std::time::Duration;

use gatehouse_core::provider::Provider;

use crate::report::{FULL, usable_processors};

/// The processor time that models need when every due frame is analysed.
#[derive(Default)]
pub(crate) struct ModelLoad {
    /// In processors, for workers of one thread each.
    processors: f64,
}

impl ModelLoad {
    /// Adds cameras, given by their ids and their frames a second, whose frames take `each` with
    /// one worker. A device's work takes no processor. A camera takes at most one worker, because
    /// its frames are analysed one after the other.
    pub(crate) fn add<'s>(
        &mut self,
        cameras: impl Iterator<Item = (&'s str, f64)>,
        each: Duration,
        provider: Provider,
    ) {
        for (camera, rate) in cameras {
            if provider.takes_processors() {
                self.processors += (rate * each.as_secs_f64()).min(1.0);
            }
            if let Some(problem) = rate_problem(rate, each) {
                tracing::warn!(camera, "{problem}");
            }
        }
    }

    /// Logs the load, as a warning if it fills the node. `threads`: of each worker.
    pub(crate) fn log(&self, threads: usize) {
        let (needed, processors) = (self.processors * threads as f64, usable_processors());
        match load_problem(needed, processors) {
            Some(problem) => tracing::warn!("{problem}"),
            None => {
                tracing::info!("models take {needed:.1} of {processors} processors when every due frame is analysed")
            }
        }
    }
}

/// The warning for models that fill a node with this many processors.
fn load_problem(needed: f64, processors: usize) -> Option<String> {
    (needed >= FULL * processors as f64).then(|| {
        format!(
            "this node is full before a stream is decoded: models alone take {needed:.1} of {processors} processors when every due \
             frame is analysed. It will analyse fewer, of crowd cameras first. Give cameras to another node, or lower \
             `analyse_fps` or `detail_px`"
        )
    })
}

/// The warning for a camera that asks for `rate` frames a second, each of which takes `each`:
/// however many workers are free, its frames are analysed one after the other.
fn rate_problem(rate: f64, each: Duration) -> Option<String> {
    let highest = 1.0 / each.as_secs_f64();
    (rate > highest).then(|| {
        format!(
            "it asks for {rate} frames a second and gets {highest:.1} at most: its frames are analysed one after the other, and \
             each takes {:.0} ms. Lower `analyse_fps`, or choose a faster model",
            1000.0 * each.as_secs_f64()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_takes_at_most_one_worker_and_a_device_none() {
        let mut load = ModelLoad::default();
        load.add([("a", 5.0), ("b", 20.0)].into_iter(), Duration::from_millis(100), Provider::Cpu);
        load.add([("c", 5.0)].into_iter(), Duration::from_millis(100), Provider::Cuda);
        assert_eq!(load.processors, 1.5);
    }

    #[test]
    fn models_that_take_nine_tenths_of_the_processors_are_reported() {
        assert_eq!(load_problem(1.79, 2), None);
        let expected = "this node is full before a stream is decoded: models alone take 3.2 of 2 processors when every due frame \
                        is analysed. It will analyse fewer, of crowd cameras first. Give cameras to another node, or lower \
                        `analyse_fps` or `detail_px`";
        assert_eq!(load_problem(3.2, 2).as_deref(), Some(expected));
    }

    #[test]
    fn a_camera_that_asks_for_too_many_frames_is_reported() {
        let problem = |rate| rate_problem(rate, Duration::from_millis(123));
        assert_eq!(problem(8.0), None);
        let expected = "it asks for 12.5 frames a second and gets 8.1 at most: its frames are analysed one after the other, and each \
                        takes 123 ms. Lower `analyse_fps`, or choose a faster model";
        assert_eq!(problem(12.5).as_deref(), Some(expected));
    }
}
