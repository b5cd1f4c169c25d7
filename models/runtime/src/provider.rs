//! Execution providers and the builds of ONNX Runtime that have them.

use std::path::Path;

use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{CUDA, ExecutionProviderDispatch, OpenVINO, TensorRT};

/// Runs a model's operators ([execution
/// provider](https://onnxruntime.ai/docs/execution-providers/)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// ONNX Runtime's own CPU kernels.
    Cpu,
    /// Intel's OpenVINO, on the CPU.
    OpenVino,
    /// NVIDIA's CUDA and cuDNN.
    Cuda,
    /// NVIDIA's TensorRT.
    TensorRt,
}

impl Provider {
    /// The build that has this provider. Every build has [`Provider::Cpu`].
    pub fn build(self) -> Build {
        match self {
            Self::Cpu => Build::Cpu,
            Self::OpenVino => Build::OpenVino,
            Self::Cuda | Self::TensorRt => Build::Cuda,
        }
    }

    /// True if models run on the CPUs that decoding needs too.
    pub fn takes_processors(self) -> bool {
        matches!(self, Self::Cpu | Self::OpenVino)
    }

    /// Registration with a session; none for the CPU, which every session has. Compiled engines are
    /// cached in `engines`.
    pub(crate) fn registration(self, intra_threads: usize, engines: &Path) -> Option<ExecutionProviderDispatch> {
        let provider = match self {
            Self::Cpu => return None,
            Self::OpenVino => OpenVINO::default().with_device_type("CPU").with_num_threads(intra_threads).build(),
            // The default tries each algorithm, which takes seconds for each new batch shape.
            Self::Cuda => CUDA::default().with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic).build(),
            // Compiling an engine takes minutes, once for each model and GPU.
            Self::TensorRt => TensorRT::default()
                .with_engine_cache(true)
                .with_engine_cache_path(engines.display())
                .with_timing_cache(true)
                .with_timing_cache_path(engines.display())
                .build(),
        };
        Some(provider.error_on_failure())
    }
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPUExecutionProvider",
            Self::OpenVino => "OpenVINOExecutionProvider",
            Self::Cuda => "CUDAExecutionProvider",
            Self::TensorRt => "TensorrtExecutionProvider",
        })
    }
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
