//! What can run a model.

use std::fmt;

use strum::{EnumString, VariantNames};

/// What runs a model's operators ([execution
/// providers](https://onnxruntime.ai/docs/execution-providers/)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
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
    /// Whether models run on the processors that decoding needs too.
    pub fn takes_processors(self) -> bool {
        matches!(self, Self::Cpu | Self::OpenVino)
    }
}

impl fmt::Display for Provider {
    /// The name that ONNX Runtime gives it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPUExecutionProvider",
            Self::OpenVino => "OpenVINOExecutionProvider",
            Self::Cuda => "CUDAExecutionProvider",
            Self::TensorRt => "TensorrtExecutionProvider",
        })
    }
}
