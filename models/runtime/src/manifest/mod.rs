//! Manifests: a model's origin, hash, licence, tensors and threshold, known before it is opened.

mod catalogue;
mod fields;
mod table;

use std::path::Path;

use gatehouse_picture::Size;
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use catalogue::Catalogue;
pub use fields::{Dimension, RelativePath, Sha256};
pub use table::RawTable;

/// A manifest that can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{file}{}: {message}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ManifestError {
    /// The file, as the caller named it.
    pub file: String,
    /// Line from 1, if the error has one.
    pub line: Option<usize>,
    /// The mistake.
    pub message: String,
}

/// The task of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Boxes and five landmarks of faces.
    FaceDetection,
    /// A vector for each aligned face.
    FaceEmbedding,
    /// Whether a face is live, and not on paper or a screen.
    FaceLiveness,
    /// Boxes of people.
    PersonDetection,
    /// People per cell of a picture.
    CrowdDensity,
}

impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::FaceDetection => "face-detection",
            Self::FaceEmbedding => "face-embedding",
            Self::FaceLiveness => "face-liveness",
            Self::PersonDetection => "person-detection",
            Self::CrowdDensity => "crowd-density",
        })
    }
}

/// The manifest of one model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name in configuration and commands.
    #[serde(deserialize_with = "fields::model_name")]
    pub name: String,
    /// The publisher's version.
    pub version: String,
    /// Its task.
    pub task: Task,
    /// One or two sentences for operators.
    pub description: String,
    /// SPDX identifier of the weights' licence.
    pub licence: String,
    /// Notes on the licence.
    pub licence_note: Option<String>,
    /// True if `make setup` fetches it on request only.
    #[serde(default)]
    pub opt_in: bool,
    /// File name of the model card.
    pub card: RelativePath,
    /// The file that is loaded.
    pub file: ModelFile,
    /// Packages of the original, tried in order; none for a user's own model.
    #[serde(default, rename = "source")]
    pub sources: Vec<Source>,
    /// Conversion of the original to `file`, if it needs one.
    pub convert: Option<Convert>,
    /// Input tensors.
    #[serde(rename = "input")]
    pub inputs: Vec<Input>,
    /// Output tensors.
    #[serde(rename = "output")]
    pub outputs: Vec<Output>,
    /// Least score of a result that counts, with its grounds.
    pub threshold: Option<Threshold>,
    /// Errors by threshold, where they were measured; `gatehouse-faces` parses it.
    #[serde(default, deserialize_with = "table::unread")]
    pub calibration: Option<RawTable>,
    /// Errors of counts, where they were measured; `gatehouse-people` parses it.
    #[serde(default, deserialize_with = "table::unread")]
    pub counting: Option<RawTable>,
}

/// The file that is loaded, below the models' folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Path below the models' folder.
    pub path: RelativePath,
    /// Digest of the whole file.
    pub sha256: Sha256,
    /// Its length.
    pub bytes: u64,
}

/// A kind of package registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageKind {
    /// Python wheels and source distributions.
    Pypi,
    /// npm tarballs.
    Npm,
    /// Debian binary packages.
    Debian,
    /// Folders of gatehouse's own repository.
    Repository,
}

/// A published package with the original.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Registry of the package.
    pub kind: PackageKind,
    /// Package name.
    pub package: String,
    /// Exact version.
    pub version: String,
    /// Digest of the package file, if it is pinned.
    pub artefact_sha256: Option<Sha256>,
    /// Files that are kept.
    #[serde(rename = "member")]
    pub members: Vec<ModelFile>,
}

/// A conversion.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Convert {
    /// The script.
    pub script: RelativePath,
}

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    /// 32-bit floating point.
    F32,
}

impl ElementType {
    /// As the manifest and ONNX Runtime write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
        }
    }
}

/// Order of an image tensor's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
}

/// Order of an image tensor's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ColourOrder {
    /// Blue, green, red.
    Bgr,
    /// Red, green, blue.
    Rgb,
}

/// An input tensor and its preparation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Tensor name in the graph.
    pub name: String,
    /// Element type.
    #[serde(rename = "type")]
    pub element: ElementType,
    /// Shape, batch first.
    pub shape: Vec<Dimension>,
    /// Order of axes.
    pub layout: Layout,
    /// Order of channels.
    pub colour: ColourOrder,
    /// Subtracted from each channel (0–255), in the order of `colour`.
    #[serde(deserialize_with = "fields::finite")]
    pub mean: [f32; 3],
    /// Divisor of each channel after that.
    #[serde(deserialize_with = "fields::positive")]
    pub std: [f32; 3],
    /// Both sides must be a multiple of this.
    pub multiple_of: Option<usize>,
    /// Default width and height in pixels.
    pub default_size: [usize; 2],
}

impl Input {
    /// Default size of pictures.
    pub fn size(&self) -> Size {
        let [width, height] = self.default_size;
        Size { width, height }
    }

    /// True if the caller chooses height and width.
    pub(crate) fn is_of_any_size(&self) -> bool {
        matches!(self.shape.as_slice(), [_, _, Dimension::Dynamic(_), Dimension::Dynamic(_)])
    }

    /// The shape for a batch of `batch` pictures, or the mistake in the manifest.
    pub(crate) fn shape_for(&self, batch: usize) -> Result<[usize; 4], String> {
        let Size { width, height } = self.size();
        let wanted = [(batch, "batch"), (3, "3"), (height, "height"), (width, "width")];
        if self.shape.len() != wanted.len() {
            return Err(format!("input `{}`: NCHW has 4 dimensions, got {}", self.name, self.shape.len()));
        }
        for (dimension, (size, role)) in self.shape.iter().zip(wanted) {
            let fits = match dimension {
                Dimension::Fixed(fixed) => role != "batch" && *fixed == size,
                Dimension::Dynamic(_) => role != "3",
            };
            if !fits {
                return Err(format!(
                    "input `{}`: dimension `{dimension}` does not fit {role} of [\"batch\", 3, {height}, {width}]",
                    self.name
                ));
            }
        }
        Ok(wanted.map(|(size, _)| size))
    }

    fn check(&self) -> Result<(), String> {
        let multiple = self.multiple_of.unwrap_or(2);
        let Size { width, height } = self.size();
        // Pictures are 4:2:0; an odd side would need to resample chroma twice.
        let fits = |side: usize| side > 0 && side.is_multiple_of(2) && multiple > 0 && side.is_multiple_of(multiple);
        if !fits(width) || !fits(height) {
            return Err(format!(
                "input `{}`: default_size is {width}×{height}, expected even sides, multiples of {multiple}",
                self.name
            ));
        }
        self.shape_for(1).map(drop)
    }
}

/// An output tensor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Tensor name in the graph.
    pub name: String,
    /// Element type.
    #[serde(rename = "type")]
    pub element: ElementType,
    /// Shape, batch first.
    pub shape: Vec<Dimension>,
}

/// The measure that a threshold applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Cosine of two embeddings, −1 to 1.
    Cosine,
    /// The model's own score, 0 to 1.
    Score,
}

/// A threshold and its grounds. A result counts if its score is at or above it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The threshold.
    #[serde(deserialize_with = "fields::score")]
    pub value: f32,
    /// The measure.
    pub metric: Metric,
    /// The data set that it was chosen on.
    pub dataset: String,
    /// Error rate on the data set.
    pub error: String,
    /// Source of these facts.
    pub source: String,
}

impl ManifestError {
    /// Parses TOML; errors name `file` and the line.
    ///
    /// # Errors
    /// If it is no TOML, a key is unknown or missing, or a value is wrong.
    pub fn parse_toml<T: DeserializeOwned>(text: &str, file: &str) -> Result<T, Self> {
        toml::from_str(text).map_err(|error| Self::at(&error, text, file))
    }

    fn at(error: &toml::de::Error, text: &str, file: &str) -> Self {
        let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        Self { file: file.to_owned(), line, message: error.message().to_owned() }
    }
}

impl Manifest {
    /// Parses a manifest; `file` appears in errors only.
    ///
    /// # Errors
    /// If it is no TOML, a key is unknown or missing, or a value is wrong.
    pub fn parse(text: &str, file: &str) -> Result<Self, ManifestError> {
        let mut manifest: Self = ManifestError::parse_toml(text, file)?;
        for (key, table) in [("calibration", &mut manifest.calibration), ("counting", &mut manifest.counting)] {
            *table = table.take().map(|_| RawTable::new(key, file, text));
        }
        manifest.check().map_err(|message| ManifestError { file: file.to_owned(), line: None, message })?;
        Ok(manifest)
    }

    /// Reads a manifest file.
    ///
    /// # Errors
    /// As [`Manifest::parse`], and if the file can't be read.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &file),
            Err(error) => Err(ManifestError { file, line: None, message: error.to_string() }),
        }
    }

    fn check(&self) -> Result<(), String> {
        for source in &self.sources {
            if source.members.is_empty() {
                return Err(format!("source `{}` names no member", source.package));
            }
        }
        if self.inputs.is_empty() || self.outputs.is_empty() {
            return Err("at least one [[input]] and one [[output]] are needed".to_owned());
        }
        let tensors = self.inputs.iter().map(|i| (&i.name, &i.shape));
        for (name, shape) in tensors.chain(self.outputs.iter().map(|o| (&o.name, &o.shape))) {
            if !matches!(shape.first(), Some(Dimension::Dynamic(_))) {
                return Err(format!("tensor `{name}`: the first dimension is the batch and must be a name"));
            }
        }
        self.inputs.iter().try_for_each(Input::check)
    }
}

#[cfg(test)]
pub(crate) mod tests;
