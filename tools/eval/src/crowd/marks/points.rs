//! The marked heads: `points.json`, an object of picture → [[x, y], …] in pixels.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Marked, picture};
use crate::error::EvalError;

/// The marked pictures of a folder, by name. Pictures are named from the folder on, or from `images/` in it.
pub(super) fn read(folder: &Path) -> Result<Vec<Marked>, EvalError> {
    let path = folder.join("points.json");
    let text = std::fs::read_to_string(&path).map_err(|source| EvalError::Unreadable { path: path.clone(), source })?;
    let wrong = |reason: String| EvalError::Points { path: path.clone(), reason };
    let marks: BTreeMap<String, Vec<[f64; 2]>> = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    if marks.is_empty() {
        return Err(wrong("it names no picture".to_owned()));
    }
    marks
        .into_iter()
        .map(|(name, heads)| {
            if let Some([x, y]) = heads.iter().find(|head| !head.iter().all(|side| side.is_finite())) {
                return Err(wrong(format!("{name}: [{x}, {y}] is no point")));
            }
            let picture = picture(folder, Path::new(&name))
                .ok_or_else(|| wrong(format!("{name}: there is no such picture in the folder")))?;
            Ok(Marked { picture, heads })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(points: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("images")).expect("a folder in it");
        for name in ["images/a.jpg", "b.jpg"] {
            std::fs::write(folder.path().join(name), "").expect("there is room");
        }
        std::fs::write(folder.path().join("points.json"), points).expect("there is room");
        folder
    }

    #[test]
    fn pictures_are_named_from_the_folder_or_from_its_images() {
        let folder = folder(r#"{"images/a.jpg": [[1, 2.5]], "a.jpg": [], "b.jpg": [[3, 4], [5, 6]]}"#);
        let marked = read(folder.path()).expect("sound");
        let seen: Vec<_> = marked.iter().map(|m| (m.picture.file_name().expect("a file"), m.heads.len())).collect();
        assert_eq!(seen, [("a.jpg".as_ref(), 0), ("b.jpg".as_ref(), 2), ("a.jpg".as_ref(), 1)]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let told = |points: &str| {
            let folder = folder(points);
            let told = read(folder.path()).expect_err("it is wrong").to_string();
            told.replace(&folder.path().display().to_string(), "")
        };
        assert_eq!(told("{}"), "/points.json: it names no picture");
        assert_eq!(told(r#"{"c.jpg": []}"#), "/points.json: c.jpg: there is no such picture in the folder");
        assert!(told(r#"{"b.jpg": [[1]]}"#).ends_with("at line 1 column 14"), "{}", told(r#"{"b.jpg": [[1]]}"#));
        let missing = read(Path::new("/nowhere")).expect_err("no such folder").to_string();
        assert!(missing.starts_with("/nowhere/points.json: can't be read"), "{missing}");
    }
}
