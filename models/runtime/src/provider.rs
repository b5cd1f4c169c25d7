//! What runs a model's operators, in which build of ONNX Runtime, and how a session is told.

use std::path::Path;

use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{CUDA, ExecutionProviderDispatch, OpenVINO, TensorRT};

/// What runs a model's operators ([execution providers](https://onnxruntime.ai/docs/execution-providers/)).
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
    /// The build that has it. Every build has [`Provider::Cpu`].
    pub fn build(self) -> Build {
        match self {
            Self::Cpu => Build::Cpu,
            Self::OpenVino => Build::OpenVino,
            Self::Cuda | Self::TensorRt => Build::Cuda,
        }
    }

    /// Whether models run on the processors that decoding needs too.
    pub fn takes_processors(self) -> bool {
        matches!(self, Self::Cpu | Self::OpenVino)
    }

    /// What a session is told to use. A session has the CPU's kernels of itself.
    /// What it compiles for this machine and can keep lies in `engines`.
    pub(crate) fn registration(self, intra_threads: usize, engines: &Path) -> Option<ExecutionProviderDispatch> {
        let provider = match self {
            Self::Cpu => return None,
            Self::OpenVino => OpenVINO::default().with_device_type("CPU").with_num_threads(intra_threads).build(),
            // Trying each algorithm, as it would of itself, takes seconds for each new shape of a batch.
            Self::Cuda => CUDA::default().with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic).build(),
            // An engine takes minutes to compile, for each model and GPU once.
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
