//! Opens models by name, after checking each file against its manifest.

use std::path::PathBuf;

use gatehouse_core::provider::Provider;
use sha2::Digest;

use crate::assets::Assets;
use crate::error::{FileMismatch, ModelError};
use crate::manifest::{Catalogue, Manifest, ModelFile, Sha256, Task};
use crate::onnx_runtime::{OnnxRuntime, RuntimeError};
use crate::provider::Build;
use crate::session::{Model, SessionOptions};

/// The known models and the providers that run them.
#[derive(Debug, Clone)]
pub struct Registry {
    runtime: OnnxRuntime,
    /// Providers in order of preference.
    providers: Vec<Provider>,
    assets: Assets,
    catalogue: Catalogue,
}

impl Registry {
    /// A registry of models on the CPU. It opens no model.
    ///
    /// # Errors
    /// As [`OnnxRuntime::load`].
    pub fn open(assets: Assets, catalogue: Catalogue) -> Result<Self, ModelError> {
        Self::open_on(assets, catalogue, &[Provider::Cpu])
    }

    /// A registry of models on these providers. The first provider that can run a model runs it.
    ///
    /// The first provider with an installed build decides the build of ONNX Runtime; providers of
    /// other builds are not used. The log names each unused provider and the reason.
    ///
    /// # Errors
    /// If there is no build for any of them, or as [`OnnxRuntime::load`].
    pub fn open_on(assets: Assets, catalogue: Catalogue, wanted: &[Provider]) -> Result<Self, ModelError> {
        let mut missing = None;
        for (place, first) in wanted.iter().enumerate() {
            let build = Build::of(*first);
            let path = assets.onnxruntime(build);
            if path.exists() {
                let runtime = OnnxRuntime::load(&path, build)?;
                let has = |provider: &&Provider| Build::of(**provider) == build || **provider == Provider::Cpu;
                let providers = wanted[place..].iter().filter(has).copied().collect();
                return Ok(Self { runtime, providers, assets, catalogue });
            }
            let error = RuntimeError::Missing { path, build };
            tracing::warn!(provider = %first, "provider not used: {error}");
            missing.get_or_insert(error);
        }
        let none = || RuntimeError::Missing { path: assets.onnxruntime(Build::Cpu), build: Build::Cpu };
        Err(missing.unwrap_or_else(none).into())
    }

    /// The loaded ONNX Runtime.
    pub fn runtime(&self) -> &OnnxRuntime {
        &self.runtime
    }

    /// All manifests.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Verifies the named model's file, opens it and warms it up.
    ///
    /// # Errors
    /// If the model is unknown, for another task, or not the file of its manifest.
    pub fn load(&self, name: &str, task: Task, options: &SessionOptions) -> Result<Model, ModelError> {
        let manifest = known(&self.catalogue, name)?;
        if manifest.task != task {
            return Err(ModelError::WrongTask { model: name.to_owned(), expected: task, got: manifest.task });
        }
        // Opens the bytes that were hashed, and not the file again.
        let bytes = read_verified(manifest, &self.assets)?;
        let model = Model::open(&self.runtime, &self.providers, manifest, &bytes, options)?;
        tracing::info!(
            model = name,
            version = manifest.version,
            provider = %model.provider(),
            threads = options.intra_threads.max(1),
            "model loaded"
        );
        Ok(model)
    }
}

/// Checks a model's file against its manifest, without opening the model. Returns the file's path.
///
/// # Errors
/// If the model is unknown, or its file is missing, unreadable or another.
pub fn verify(catalogue: &Catalogue, assets: &Assets, name: &str) -> Result<PathBuf, ModelError> {
    let manifest = known(catalogue, name)?;
    read_verified(manifest, assets)?;
    Ok(manifest.file.path.below(&assets.models()))
}

fn known<'c>(catalogue: &'c Catalogue, name: &str) -> Result<&'c Manifest, ModelError> {
    catalogue.get(name).ok_or_else(|| ModelError::Unknown {
        model: name.to_owned(),
        known: catalogue.iter().map(|manifest| manifest.name.as_str()).collect::<Vec<_>>().join(", "),
    })
}

fn read_verified(manifest: &Manifest, assets: &Assets) -> Result<Vec<u8>, ModelError> {
    let model = manifest.name.clone();
    let ModelFile { path, sha256, bytes } = &manifest.file;
    let path = path.below(&assets.models());
    let content = match std::fs::read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ModelError::Missing { model, path, opt_in: manifest.opt_in });
        }
        Err(source) => return Err(ModelError::Unreadable { model, path, source }),
    };
    let got = Sha256(sha2::Sha256::digest(&content).into());
    let got_bytes = content.len() as u64;
    if got != *sha256 || got_bytes != *bytes {
        let mismatch = FileMismatch { expected: *sha256, expected_bytes: *bytes, got, got_bytes };
        return Err(ModelError::WrongFile { model, path, mismatch: Box::new(mismatch) });
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::SMALL;

    fn fixture() -> (tempfile::TempDir, Assets, Catalogue) {
        let folder = tempfile::tempdir().expect("a folder");
        let assets = Assets::at(folder.path());
        std::fs::create_dir(assets.models()).expect("created");
        let mut catalogue = Catalogue::default();
        catalogue.add(Manifest::parse(SMALL, "small.toml").expect("a manifest"));
        (folder, assets, catalogue)
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let (_folder, assets, catalogue) = fixture();
        let error = verify(&catalogue, &assets, "smal").expect_err("no such model");
        assert_eq!(error.to_string(), "model `smal` is unknown; known models: small");
    }

    #[test]
    fn a_missing_file_names_the_command() {
        let (_folder, assets, mut catalogue) = fixture();
        let error = verify(&catalogue, &assets, "small").expect_err("no file yet");
        let path = assets.models().join("small.onnx");
        let expected = format!("model `small`: no file {}; run `make setup`", path.display());
        assert_eq!(error.to_string(), expected);
        catalogue.add(Manifest { opt_in: true, ..catalogue.get("small").expect("it is there").clone() });
        let error = verify(&catalogue, &assets, "small").expect_err("nobody asked for it");
        assert_eq!(error.to_string(), expected.replace("make setup", "make setup WITH=small"));
    }

    #[test]
    fn another_file_is_refused_by_its_hash() {
        let (_folder, assets, mut catalogue) = fixture();
        let path = assets.models().join("small.onnx");
        std::fs::write(&path, b"abc").expect("written");
        let error = verify(&catalogue, &assets, "small").expect_err("another file");
        assert_eq!(
            error.to_string(),
            format!(
                "model `small`: {} has SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad and 3 \
                 bytes, expected 8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4 and 3; delete it and \
                 run `make setup`",
                path.display()
            )
        );
        // The example of FIPS 180-4: the digest of "abc".
        let right = SMALL.replace(
            "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        );
        catalogue.add(Manifest::parse(&right, "small.toml").expect("a manifest"));
        assert_eq!(verify(&catalogue, &assets, "small").expect("the right file"), path);
    }
}
