//! A folder with one folder for each person (or kind of attack), which holds pictures.

use std::path::{Path, PathBuf};

use crate::error::EvalError;

/// Extensions of pictures, in upper or lower case.
const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

/// The pictures of one person, or of one kind of attack.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Its pictures, by name.
    pub(crate) pictures: Vec<PathBuf>,
}

impl std::fmt::Debug for Group {
    // The name may be a person's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Group({} pictures)", self.pictures.len())
    }
}

/// All groups of a folder, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grouped {
    /// The groups that contain pictures.
    pub(crate) groups: Vec<Group>,
    /// Number of files without an extension of JPEG or PNG.
    pub(crate) other_files: usize,
}

impl Grouped {
    /// Reads the names without opening pictures, and skips hidden files. Fails if a folder can't be
    /// read, or none of its folders contains a picture.
    pub(crate) fn read(folder: &Path) -> Result<Self, EvalError> {
        let mut grouped = Self { groups: Vec::new(), other_files: 0 };
        let (folders, files): (Vec<_>, Vec<_>) = entries(folder)?.into_iter().partition(|path| path.is_dir());
        for path in folders {
            let (pictures, others): (Vec<_>, Vec<_>) =
                entries(&path)?.into_iter().filter(|path| path.is_file()).partition(|path| is_picture(path));
            grouped.other_files += others.len();
            if !pictures.is_empty() {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                grouped.groups.push(Group { name, pictures });
            }
        }
        if grouped.groups.is_empty() {
            let reason = format!(
                "expected a folder for each person (or kind), with JPEG or PNG files in it, found {} file(s) here and no \
                 picture one folder down",
                files.len()
            );
            return Err(EvalError::data_set(folder, reason));
        }
        Ok(grouped)
    }
}

/// The entries of a folder by name, without hidden files.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, EvalError> {
    let unreadable = EvalError::unreadable(folder);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_found_by_extension_and_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        for file in ["b/2.JPG", "b/1.png", "b/note.txt", "b/.hidden.jpg", "a/x.jpeg", "empty/readme", ".git/x.jpg"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, b"").expect("written");
        }
        std::fs::write(folder.path().join("pairs.txt"), b"").expect("written");
        let grouped = Grouped::read(folder.path()).expect("two groups");
        let names: Vec<&str> = grouped.groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(grouped.groups[1].pictures, ["1.png", "2.JPG"].map(|f| folder.path().join("b").join(f)));
        let pictures: usize = grouped.groups.iter().map(|group| group.pictures.len()).sum();
        assert_eq!((grouped.other_files, pictures), (2, 3));
        assert_eq!(format!("{:?}", grouped.groups[0]), "Group(1 pictures)");
    }

    #[test]
    fn a_folder_of_another_layout_is_explained() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("one.jpg"), b"").expect("written");
        let error = Grouped::read(folder.path()).expect_err("no group").to_string();
        assert!(error.ends_with(
            "expected a folder for each person (or kind), with JPEG or PNG files in it, found 1 file(s) here and no picture one \
             folder down"
        ), "{error}");
    }
}
