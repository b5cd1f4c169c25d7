//! The known manifests: those that ship, and those that a user adds or puts in their place.

use std::path::{Path, PathBuf};

use super::{Manifest, ManifestError};

const BUILTIN: [(&str, &str); 8] = [
    ("models/manifests/crowd.toml", include_str!("../../../manifests/crowd.toml")),
    ("models/manifests/crowd-int8.toml", include_str!("../../../manifests/crowd-int8.toml")),
    ("models/manifests/csrnet.toml", include_str!("../../../manifests/csrnet.toml")),
    ("models/manifests/fr-liveness.toml", include_str!("../../../manifests/fr-liveness.toml")),
    ("models/manifests/nanodet.toml", include_str!("../../../manifests/nanodet.toml")),
    ("models/manifests/nanodet-int8.toml", include_str!("../../../manifests/nanodet-int8.toml")),
    ("models/manifests/sface.toml", include_str!("../../../manifests/sface.toml")),
    ("models/manifests/yunet.toml", include_str!("../../../manifests/yunet.toml")),
];

/// Manifests by name, each name once, in alphabetical order.
#[derive(Debug, Clone, Default)]
pub struct Catalogue(Vec<Manifest>);

impl Catalogue {
    /// Manifests of the models that ship.
    ///
    /// # Errors
    /// Never in an unchanged build: the manifests are compiled in and a test reads them.
    pub fn builtin() -> Result<Self, ManifestError> {
        let mut catalogue = Self::default();
        for (file, text) in BUILTIN {
            catalogue.add(Manifest::parse(text, file)?);
        }
        Ok(catalogue)
    }

    /// Manifests of the models that ship, then of these folders in order.
    ///
    /// # Errors
    /// As [`Self::add_folder`].
    pub fn with_folders(folders: &[PathBuf]) -> Result<Self, ManifestError> {
        let mut catalogue = Self::builtin()?;
        folders.iter().try_for_each(|folder| catalogue.add_folder(folder))?;
        Ok(catalogue)
    }

    /// Adds a manifest. Returns the one of the same name that it replaces.
    pub fn add(&mut self, manifest: Manifest) -> Option<Manifest> {
        match self.0.binary_search_by(|known| known.name.cmp(&manifest.name)) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at], manifest)),
            Err(at) => {
                self.0.insert(at, manifest);
                None
            }
        }
    }

    /// Adds every `*.toml` of a folder, in the order of their file names.
    ///
    /// # Errors
    /// If the folder can't be read, a manifest is wrong, or two of its files give the same name.
    pub fn add_folder(&mut self, folder: &Path) -> Result<(), ManifestError> {
        let fail = |message: String| ManifestError { file: folder.display().to_string(), line: None, message };
        let mut files = std::fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>())
            .map_err(|error| fail(error.to_string()))?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        let mut seen = Vec::new();
        for file in &files {
            let manifest = Manifest::read(file)?;
            if seen.contains(&manifest.name) {
                return Err(fail(format!("two manifests are named `{}`", manifest.name)));
            }
            seen.push(manifest.name.clone());
            self.add(manifest);
        }
        Ok(())
    }

    /// The manifest of that name.
    pub fn get(&self, name: &str) -> Option<&Manifest> {
        self.iter().find(|manifest| manifest.name == name)
    }

    /// All manifests, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.0.iter()
    }
}
