//! Execution providers: the builds of ONNX Runtime that have them, and their registration.

use std::path::Path;

use gatehouse_core::provider::Provider;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{CUDA, ExecutionProviderDispatch, OpenVINO, TensorRT};

/// Registration of a provider with a session; none for the CPU, which every session has. Compiled
/// engines are cached in `engines`.
pub(crate) fn registration(
    provider: Provider,
    intra_threads: usize,
    engines: &Path,
) -> Option<ExecutionProviderDispatch> {
    let provider = match provider {
        Provider::Cpu => return None,
        Provider::OpenVino => OpenVINO::default().with_device_type("CPU").with_num_threads(intra_threads).build(),
        // The default tries each algorithm, which takes seconds for each new batch shape.
        Provider::Cuda => CUDA::default().with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic).build(),
        // Compiling an engine takes minutes, once for each model and GPU.
        Provider::TensorRt => TensorRT::default()
            .with_engine_cache(true)
            .with_engine_cache_path(engines.display())
            .with_timing_cache(true)
            .with_timing_cache_path(engines.display())
            .build(),
    };
    Some(provider.error_on_failure())
}

/// A build of ONNX Runtime. A process loads only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Build {
    /// The build that `make setup` fetches.
    Cpu,
    /// The build with OpenVINO.
    OpenVino,
    /// The build with CUDA and TensorRT, which the operator installs with NVIDIA's driver.
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

    /// Tested version.
    pub fn version(self) -> &'static str {
        match self {
            Self::Cpu | Self::Cuda => "1.31.1",
            Self::OpenVino => "1.24.1",
        }
    }

    /// Command that fetches it.
    pub fn setup(self) -> &'static str {
        match self {
            Self::Cpu => "make setup",
            Self::OpenVino => "make setup WITH=openvino",
            Self::Cuda => "make setup WITH=cuda",
        }
    }
}
