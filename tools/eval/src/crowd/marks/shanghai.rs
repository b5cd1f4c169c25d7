//! ShanghaiTech (Zhang et al.: "Single-image crowd counting via multi-column CNN", 2016) and sets
//! with its layout: pictures in `images/`, and for `NAME.jpg` a MATLAB file `GT_NAME.mat` whose
//! `image_info{1}.location` has a row per head.

use std::path::{Path, PathBuf};

use matrw::MatVariable;

use super::{Marked, Truth, picture};
use crate::error::EvalError;

const FOLDERS: [&str; 2] = ["ground_truth", "ground-truth"];
const PREFIX: &str = "GT_";
/// Deepest nesting of a list of heads.
const DEEPEST: usize = 6;

pub(super) fn marks(folder: &Path) -> Option<PathBuf> {
    FOLDERS.iter().map(|name| folder.join(name)).find(|marks| marks.is_dir())
}

/// The pictures that have marks, by name.
pub(super) fn read(folder: &Path, marks: &Path) -> Result<Vec<Marked>, EvalError> {
    let unreadable = EvalError::unreadable(marks);
    let mut marked = Vec::new();
    for entry in std::fs::read_dir(marks).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(name) = name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(".mat")) else { continue };
        let wrong = |reason: String| EvalError::data_set(&path, reason);
        let names = ["jpg", "jpeg", "png"].map(|ending| PathBuf::from(format!("{name}.{ending}")));
        let picture = names.iter().find_map(|name| picture(folder, name));
        let picture = picture.ok_or_else(|| wrong(format!("there is no picture {name}.jpg in `images`")))?;
        let bytes = std::fs::read(&path).map_err(EvalError::unreadable(&path))?;
        let truth = Truth { heads: heads(&bytes).map_err(wrong)?, boxes: None };
        marked.push(Marked { picture, truth });
    }
    if marked.is_empty() {
        return Err(EvalError::data_set(marks, format_args!("there is no file {PREFIX}NAME.mat in it")));
    }
    marked.sort_by(|a, b| a.picture.cmp(&b.picture));
    Ok(marked)
}

fn heads(bytes: &[u8]) -> Result<Vec<[f64; 2]>, String> {
    let file =
        matrw::load_matfile_from_u8(bytes).map_err(|error| format!("not a MATLAB file of version 7: {error}"))?;
    let places = file.iter().find_map(|(_, variable)| location(variable, 0));
    let places = places.ok_or("there is no `location` in it, where heads should be")?;
    let dimensions = places.dim();
    if dimensions.iter().product::<usize>() == 0 {
        return Ok(Vec::new());
    }
    let [heads, 2] = dimensions.as_slice() else {
        return Err(format!("`location` is {dimensions:?}, expected two columns"));
    };
    // In column-major order, as MATLAB stores them.
    let numbers: Vec<f64> = places.to_vec_f64().ok_or("`location` is no list of numbers")?;
    let both = numbers.get(..*heads).zip(numbers.get(*heads..2 * heads));
    let (xs, ys) = both.ok_or("`location` is shorter than it says")?;
    if numbers.iter().any(|number| !number.is_finite()) {
        return Err("`location` has a number that is none".to_owned());
    }
    Ok(xs.iter().zip(ys).map(|(x, y)| [*x, *y]).collect())
}

/// The first field `location`, at any depth of cells and structures.
fn location(variable: &MatVariable, depth: usize) -> Option<MatVariable> {
    if depth > DEEPEST {
        return None;
    }
    match variable {
        MatVariable::Structure(structure) => structure.get("location").cloned().or_else(|| {
            let fields = structure.fieldnames();
            fields.iter().find_map(|field| location(structure.get(field)?, depth + 1))
        }),
        MatVariable::CellArray(_) | MatVariable::StructureArray(_) => {
            variable.iter().find_map(|below| location(&below, depth + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use matrw::{matfile, matvar, save_matfile_v7};

    use super::super::Marks;
    use super::*;

    fn folder(file: matrw::MatFile, compressed: bool) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for below in ["images", "ground_truth"] {
            std::fs::create_dir(folder.path().join(below)).expect("a folder in it");
        }
        std::fs::write(folder.path().join("images/IMG_1.jpg"), "").expect("there is room");
        let path = folder.path().join("ground_truth/GT_IMG_1.mat");
        save_matfile_v7(path.to_str().expect("UTF-8"), file, compressed).expect("written");
        folder
    }

    #[test]
    fn heads_are_read_from_a_structure_in_a_cell() {
        for compressed in [false, true] {
            let heads = matvar!([[10.5, 20.25], [100.0, 50.0], [7.0, 8.0]]);
            let folder = folder(matfile!(image_info: matvar!([{ location: heads, number: 3.0 }])), compressed);
            let Marks::Pictures(marked) = super::super::read(folder.path()).expect("sound") else {
                panic!("they are pictures")
            };
            assert_eq!(marked[0].truth.heads, [[10.5, 20.25], [100.0, 50.0], [7.0, 8.0]]);
            assert!(marked[0].picture.ends_with("images/IMG_1.jpg"));
        }
    }

    #[test]
    fn errors_name_their_file() {
        let error_for = |file| {
            let folder = folder(file, false);
            let error = super::super::read(folder.path()).expect_err("it is wrong").to_string();
            error.replace(&folder.path().display().to_string(), "")
        };
        let path = "/ground_truth/GT_IMG_1.mat";
        let without = error_for(matfile!(heads: matvar!([[1.0, 2.0]])));
        assert_eq!(without, format!("{path}: there is no `location` in it, where heads should be"));
        let three = error_for(matfile!(image_info: matvar!({ location: matvar!([[1.0, 2.0, 3.0]]) })));
        assert_eq!(three, format!("{path}: `location` is [1, 3], expected two columns"));
        assert!(heads(b"no such file").is_err());
    }
}
