//! One opened model: the only file, with `runtime`, that names `ort`.

use ndarray::{ArrayView, ArrayView4, Dim, Dimension, IntoDimension, Ix};
use ort::session::builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionOutputs};
use ort::value::{Outlet, TensorRef, ValueType};

use crate::error::ModelError;
use crate::interface::{GraphTensor, differences};
use crate::manifest::{Input, Manifest};
use crate::runtime::OnnxRuntime;

/// How a session is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionOptions {
    /// Threads that share one operator, 1 or more. One is best where several sessions share the cores.
    pub intra_threads: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { intra_threads: 1 }
    }
}

/// What runs a model's operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// ONNX Runtime's own CPU kernels.
    Cpu,
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPUExecutionProvider",
        })
    }
}

/// An opened model with one image input.
#[derive(Debug)]
pub(crate) struct Model {
    manifest: Manifest,
    session: Session,
}

/// The outputs of one inference.
pub(crate) struct Outputs<'run> {
    model: &'run str,
    values: SessionOutputs<'run>,
}

impl Model {
    /// Opens the file's bytes, compares its tensors with the manifest and runs it once on an empty picture.
    pub(crate) fn open(
        runtime: &OnnxRuntime,
        manifest: &Manifest,
        bytes: &[u8],
        options: &SessionOptions,
    ) -> Result<Self, ModelError> {
        let name = &manifest.name;
        let open = |message: String| ModelError::Open { model: name.clone(), message };
        let session =
            builder(runtime, options).map_err(open)?.commit_from_memory(bytes).map_err(|e| open(e.to_string()))?;
        let found = differences(manifest, &tensors(session.inputs()), &tensors(session.outputs()));
        if !found.is_empty() {
            return Err(ModelError::Interface { model: name.clone(), differences: found });
        }
        let mut model = Self { manifest: manifest.clone(), session };
        model.warm_up()?;
        Ok(model)
    }

    // The first run allocates and picks kernels, several times the cost of the next.
    fn warm_up(&mut self) -> Result<(), ModelError> {
        let shape = self.input()?.shape_for(1).map_err(|message| self.unsuitable(message))?;
        let zeros = ndarray::Array4::<f32>::zeros(shape);
        self.run(zeros.view()).map(drop)
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Sessions are told to add no provider of their own accord, and none but the CPU's is asked for.
    pub(crate) fn provider(&self) -> Provider {
        Provider::Cpu
    }

    /// The one input.
    pub(crate) fn input(&self) -> Result<&Input, ModelError> {
        match self.manifest.inputs.as_slice() {
            [input] => Ok(input),
            inputs => Err(self.unsuitable(format!("{} inputs, expected 1", inputs.len()))),
        }
    }

    /// An error about what the manifest lacks for the task.
    pub(crate) fn unsuitable(&self, message: String) -> ModelError {
        ModelError::Unsuitable { model: self.manifest.name.clone(), message }
    }

    /// Fails unless the manifest has an output of this name.
    pub(crate) fn require_output(&self, name: &str) -> Result<(), ModelError> {
        if self.manifest.outputs.iter().any(|output| output.name == name) {
            return Ok(());
        }
        Err(self.unsuitable(format!("no output `{name}`, which {} needs", self.manifest.task)))
    }

    /// Runs a batch, NCHW, contiguous.
    pub(crate) fn run(&mut self, batch: ArrayView4<'_, f32>) -> Result<Outputs<'_>, ModelError> {
        let (n, c, h, w) = batch.dim();
        let fail = |error: ort::Error| ModelError::Run {
            model: self.manifest.name.clone(),
            shape: [n, c, h, w],
            message: error.to_string(),
        };
        let tensor = TensorRef::from_array_view(batch).map_err(fail)?;
        let values = self.session.run(ort::inputs![tensor]).map_err(fail)?;
        Ok(Outputs { model: &self.manifest.name, values })
    }
}

impl Outputs<'_> {
    /// The named output, which must have exactly this shape.
    pub(crate) fn array<const N: usize>(
        &self,
        tensor: &str,
        shape: [usize; N],
    ) -> Result<ArrayView<'_, f32, Dim<[Ix; N]>>, ModelError>
    where
        [Ix; N]: IntoDimension<Dim = Dim<[Ix; N]>>,
        Dim<[Ix; N]>: Dimension,
    {
        let wrong = |got: Vec<usize>| ModelError::OutputShape {
            model: self.model.to_owned(),
            tensor: tensor.to_owned(),
            expected: shape.to_vec(),
            got,
        };
        let value = self.values.get(tensor).ok_or_else(|| wrong(Vec::new()))?;
        let view = value.try_extract_array::<f32>().map_err(|_| wrong(Vec::new()))?;
        if view.shape() != shape {
            return Err(wrong(view.shape().to_vec()));
        }
        let got = view.shape().to_vec();
        view.into_dimensionality().map_err(|_| wrong(got))
    }
}

fn builder(runtime: &OnnxRuntime, options: &SessionOptions) -> Result<SessionBuilder, String> {
    fn words<T>(error: ort::Error<T>) -> String {
        error.message().to_owned()
    }
    Session::builder(runtime.environment())
        .map_err(words)?
        .with_auto_device(AutoDevicePolicy::PreferCPU)
        .map_err(words)?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(words)?
        .with_inter_threads(1)
        .map_err(words)?
        .with_intra_threads(options.intra_threads.max(1))
        .map_err(words)?
        // Idle threads would burn the cores that decoding and the other sessions need.
        .with_intra_op_spinning(false)
        .map_err(words)
}

fn tensors(outlets: &[Outlet]) -> Vec<GraphTensor> {
    let tensor = |outlet: &Outlet| {
        let (element, shape) = match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } => (ty.to_string(), shape.to_vec()),
            other => (other.to_string(), Vec::new()),
        };
        GraphTensor { name: outlet.name().to_owned(), element, shape }
    };
    outlets.iter().map(tensor).collect()
}

#[cfg(test)]
mod tests;
