//! Which build of ONNX Runtime has a provider, and how a session registers it.

use std::path::Path;

use gatehouse_core::provider::Provider;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{CUDA, ExecutionProviderDispatch, OpenVINO, TensorRT};

/// What a session registers to use a provider. A session has the CPU's kernels without registration.
/// What the provider compiles for this machine and can keep lies in `engines`.
pub(crate) fn registration(
    provider: Provider,
    intra_threads: usize,
    engines: &Path,
) -> Option<ExecutionProviderDispatch> {
    let provider = match provider {
        Provider::Cpu => return None,
        Provider::OpenVino => OpenVINO::default().with_device_type("CPU").with_num_threads(intra_threads).build(),
        // The default tries each algorithm, which takes seconds for each new shape of a batch.
        Provider::Cuda => CUDA::default().with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic).build(),
        // An engine takes minutes to compile, for each model and GPU once.
        Provider::TensorRt => TensorRT::default()
            .with_engine_cache(true)
            .with_engine_cache_path(engines.display())
            .with_timing_cache(true)
            .with_timing_cache_path(engines.display())
            .build(),
    };
    Some(provider.error_on_failure())
}

/// A build of ONNX Runtime. A process loads one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Build {
    /// The one that `make setup` fetches.
    Cpu,
    /// With OpenVINO, and OpenVINO itself.
    OpenVino,
    /// With CUDA and TensorRT, which are installed by whoever has NVIDIA's driver.
    Cuda,
}

impl Build {
    /// The build that has a provider. Every build has [`Provider::Cpu`].
    pub fn of(provider: Provider) -> Self {
        match provider {
            Provider::Cpu => Self::Cpu,
            Provider::OpenVino => Self::OpenVino,
            Provider::Cuda | Provider::TensorRt => Self::Cuda,
        }
    }

    /// The version that the project is tested with.
    pub fn version(self) -> &'static str {
        match self {
            Self::Cpu | Self::Cuda => "1.31.1",
            Self::OpenVino => "1.24.1",
        }
    }

    /// What fetches it.
    pub fn setup(self) -> &'static str {
        match self {
            Self::Cpu => "make setup",
            Self::OpenVino => "make setup WITH=openvino",
            Self::Cuda => "make setup WITH=cuda",
        }
    }
}
