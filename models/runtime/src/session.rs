//! Opens a model and runs batches. Only this file, `onnx_runtime` and `provider` name `ort`.

use gatehouse_core::provider::Provider;
use ndarray::{ArrayView, ArrayViewMut4, Dim, Dimension, IntoDimension, Ix};
use ort::memory::Allocator;
use ort::session::builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder};
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionOutputs};
use ort::value::{DynTensor, Outlet, Tensor, ValueType};

use crate::error::ModelError;
use crate::interface::{GraphTensor, differences};
use crate::manifest::{Input, Manifest};
use crate::onnx_runtime::OnnxRuntime;
use crate::provider::registration;

/// Options of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionOptions {
    /// Threads that share one operator, 1 or more. 1 is best where several sessions share the CPUs.
    pub intra_threads: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { intra_threads: 1 }
    }
}

/// Most input shapes whose tensors are kept; the least recently used goes first.
const SHAPES: usize = 8;

/// An opened model with one image input.
///
/// A batch of a recent shape allocates nothing, if the model has at most 4 outputs: for more, `ort`
/// makes lists in each run. The models that ship have at most 4.
#[derive(Debug)]
pub struct Model {
    manifest: Manifest,
    session: Session,
    provider: Provider,
    /// Most recently used first.
    tensors: Vec<Tensors>,
}

/// Input and output tensors for batches of one shape.
struct Tensors {
    shape: [usize; 4],
    input: Tensor<f32>,
    /// Preallocated outputs. Their shapes are known after the first run.
    outputs: Option<RunOptions<HasSelectedOutputs>>,
}

impl std::fmt::Debug for Tensors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tensors").field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// Output tensors of one inference.
pub struct Outputs<'run> {
    model: &'run str,
    values: SessionOutputs<'run>,
}

impl std::fmt::Debug for Outputs<'_> {
    /// Outputs may be biometric data; they never reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outputs").field("model", &self.model).finish_non_exhaustive()
    }
}

impl Model {
    /// Opens the file's bytes with the first provider that can run them, and logs why others can't.
    ///
    /// Compares the graph's tensors with the manifest, and runs one empty picture as warm-up.
    pub(crate) fn open(
        runtime: &OnnxRuntime,
        providers: &[Provider],
        manifest: &Manifest,
        bytes: &[u8],
        options: &SessionOptions,
    ) -> Result<Self, ModelError> {
        let mut refusal = None;
        for provider in providers {
            match Self::open_on(runtime, *provider, manifest, bytes, options) {
                Ok(model) => return Ok(model),
                // The file is wrong; no other provider can run it.
                Err(error @ (ModelError::Interface { .. } | ModelError::Unsuitable { .. })) => return Err(error),
                Err(error) => {
                    if *provider != Provider::Cpu {
                        tracing::warn!(model = manifest.name, provider = %provider, "provider not used: {error}");
                    }
                    refusal = Some(error);
                }
            }
        }
        let none = || ModelError::Open { model: manifest.name.clone(), message: "no provider was named".to_owned() };
        Err(refusal.unwrap_or_else(none))
    }

    fn open_on(
        runtime: &OnnxRuntime,
        provider: Provider,
        manifest: &Manifest,
        bytes: &[u8],
        options: &SessionOptions,
    ) -> Result<Self, ModelError> {
        let name = &manifest.name;
        let open = |message: String| ModelError::Open { model: name.clone(), message };
        let commit = |fallback: Fallback| {
            let mut builder = builder(runtime, provider, fallback, options)?;
            builder.commit_from_memory(bytes).map_err(|error| error.to_string())
        };
        let session = commit(Fallback::Forbidden).or_else(|why| match provider {
            Provider::Cpu => Err(why),
            _ => commit(Fallback::Allowed).inspect(|_| {
                tracing::warn!(model = name, %provider, "the CPU runs a part of this model, because the provider lacks operators: {why}");
            }),
        });
        let session = session.map_err(open)?;
        let found = differences(manifest, &tensors(session.inputs()), &tensors(session.outputs()));
        if !found.is_empty() {
            return Err(ModelError::Interface { model: name.clone(), differences: found });
        }
        let mut model = Self { manifest: manifest.clone(), session, provider, tensors: Vec::with_capacity(SHAPES) };
        // Warm-up: the first run allocates and picks kernels, at several times the cost of the
        // next.
        let shape = model.input()?.shape_for(1).map_err(|message| model.unsuitable(message))?;
        model.run_empty(shape)?;
        Ok(model)
    }

    /// Runs a batch of empty pictures, NCHW.
    ///
    /// # Errors
    /// If the batch is too large for the model or the inference fails.
    pub fn run_empty(&mut self, shape: [usize; 4]) -> Result<(), ModelError> {
        self.batch(shape)?.fill(0.0);
        self.run().map(drop)
    }

    /// The manifest that it was opened by.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The execution provider that runs it.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// The only input.
    ///
    /// # Errors
    /// If the manifest has several.
    pub fn input(&self) -> Result<&Input, ModelError> {
        match self.manifest.inputs.as_slice() {
            [input] => Ok(input),
            inputs => Err(self.unsuitable(format!("{} inputs, expected 1", inputs.len()))),
        }
    }

    /// An error that names what the manifest lacks for its task.
    pub fn unsuitable(&self, message: String) -> ModelError {
        ModelError::Unsuitable { model: self.manifest.name.clone(), message }
    }

    /// Checks that the manifest has an output of this name.
    ///
    /// # Errors
    /// If it has none.
    pub fn require_output(&self, name: &str) -> Result<(), ModelError> {
        if self.manifest.outputs.iter().any(|output| output.name == name) {
            return Ok(());
        }
        Err(self.unsuitable(format!("no output `{name}`, which {} needs", self.manifest.task)))
    }

    /// Input tensors of the next batch, NCHW, contiguous, for the caller to fill. They hold old
    /// values.
    ///
    /// # Errors
    /// If there is no memory for the shape.
    pub fn batch(&mut self, shape: [usize; 4]) -> Result<ArrayViewMut4<'_, f32>, ModelError> {
        let fail = failure(&self.manifest, shape);
        match self.tensors.iter().position(|tensors| tensors.shape == shape) {
            Some(known) => self.tensors[..=known].rotate_right(1),
            None => {
                let input = Tensor::new(&Allocator::default(), shape).map_err(&fail)?;
                self.tensors.truncate(SHAPES - 1);
                self.tensors.insert(0, Tensors { shape, input, outputs: None });
            }
        }
        let (_, values) = self.tensors[0].input.extract_tensor_mut();
        Ok(ArrayViewMut4::from_shape(shape, values).unwrap_or_else(|_| unreachable!("made with this shape")))
    }

    /// Runs the batch that [`Self::batch`] gave.
    ///
    /// # Errors
    /// If the inference fails, or no batch was filled.
    pub fn run(&mut self) -> Result<Outputs<'_>, ModelError> {
        if self.tensors.is_empty() {
            return Err(self.unsuitable("no batch was filled".to_owned()));
        }
        let Tensors { shape, input, outputs } = &mut self.tensors[0];
        let fail = failure(&self.manifest, *shape);
        let inputs = ort::inputs![&*input];
        let values = match outputs {
            Some(outputs) => self.session.run_with_options(inputs, outputs).map_err(fail)?,
            None => {
                let values = self.session.run(inputs).map_err(&fail)?;
                *outputs = Some(outputs_like(&values).map_err(&fail)?);
                values
            }
        };
        Ok(Outputs { model: &self.manifest.name, values })
    }

    /// Overwrites the input tensors of the last batch with zeros.
    pub fn clear(&mut self) {
        if let Some(tensors) = self.tensors.first_mut() {
            tensors.input.extract_tensor_mut().1.fill(0.0);
        }
    }
}

fn failure(manifest: &Manifest, shape: [usize; 4]) -> impl Fn(ort::Error) -> ModelError {
    move |error| ModelError::Run { model: manifest.name.clone(), shape, message: error.to_string() }
}

/// Preallocates tensors of the same types and shapes.
fn outputs_like(values: &SessionOutputs<'_>) -> ort::Result<RunOptions<HasSelectedOutputs>> {
    let mut outputs = OutputSelector::default();
    for (name, value) in values.iter() {
        if let ValueType::Tensor { ty, shape, .. } = value.dtype() {
            outputs = outputs.preallocate(name, DynTensor::new(&Allocator::default(), *ty, shape.clone())?);
        }
    }
    Ok(RunOptions::new()?.with_outputs(outputs))
}

impl Outputs<'_> {
    /// Name of the model.
    pub fn model(&self) -> &str {
        self.model
    }

    /// The named output.
    ///
    /// # Errors
    /// If there is none, or it hasn't exactly this shape.
    pub fn array<const N: usize>(
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
        let (got, values) = value.try_extract_tensor::<f32>().map_err(|_| wrong(Vec::new()))?;
        let got = || got.iter().map(|side| usize::try_from(*side).unwrap_or_default());
        if !got().eq(shape) {
            return Err(wrong(got().collect()));
        }
        ArrayView::from_shape(shape, values).map_err(|_| wrong(got().collect()))
    }

    /// Overwrites the tensors with zeros.
    pub fn clear(&mut self) {
        for (_, mut value) in self.values.iter_mut() {
            if let Ok((_, values)) = value.try_extract_tensor_mut::<f32>() {
                values.fill(0.0);
            }
        }
    }
}

/// Where a model's operators may run.
#[derive(Clone, Copy, PartialEq)]
enum Fallback {
    /// The provider must run all of them.
    Forbidden,
    /// The CPU runs those that the provider lacks.
    Allowed,
}

fn builder(
    runtime: &OnnxRuntime,
    provider: Provider,
    fallback: Fallback,
    options: &SessionOptions,
) -> Result<SessionBuilder, String> {
    fn words<T>(error: ort::Error<T>) -> String {
        error.message().to_owned()
    }
    let threads = options.intra_threads.max(1);
    let builder = Session::builder(runtime.environment())
        .map_err(words)?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(words)?
        .with_inter_threads(1)
        .map_err(words)?
        .with_intra_threads(threads)
        .map_err(words)?
        // Idle threads must not spin on CPUs that decoding and the other sessions need.
        .with_intra_op_spinning(false)
        .map_err(words)?;
    match registration(provider, threads, &runtime.path().with_file_name("engines")) {
        // Keeps ONNX Runtime from choosing a provider itself.
        None => builder.with_auto_device(AutoDevicePolicy::PreferCPU).map_err(words),
        Some(registration) => {
            let builder = builder.with_execution_providers([registration]).map_err(words)?;
            if fallback == Fallback::Forbidden {
                builder.with_disable_cpu_fallback().map_err(words)
            } else {
                Ok(builder)
            }
        }
    }
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
