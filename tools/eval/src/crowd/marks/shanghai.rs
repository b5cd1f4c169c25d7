//! ShanghaiTech (Zhang et al.: "Single-image crowd counting via multi-column CNN", 2016) and sets
//! with its layout: pictures in `images/`, and for `NAME.jpg` a MATLAB file `GT_NAME.mat` whose
//! `image_info{1}.location` has a row per head.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::mat::{self, Array};
use super::{Marked, Truth, picture};
use crate::error::EvalError;

const FOLDERS: [&str; 2] = ["ground_truth", "ground-truth"];
const PREFIX: &str = "GT_";
/// Longest file of marks.
const MOST_BYTES: u64 = 16 << 20;

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
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(EvalError::unreadable(&path))?;
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(EvalError::unreadable(&path))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(wrong(format!("longer than {MOST_BYTES} bytes")));
        }
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
    let variables = mat::read(bytes)?;
    let places = variables.iter().find_map(location).ok_or("there is no `location` in it, where heads should be")?;
    let Array::Numbers { dimensions, values } = places else {
        return Err("`location` is no list of numbers".to_owned());
    };
    if values.is_empty() {
        return Ok(Vec::new());
    }
    if !matches!(dimensions.as_slice(), [_, 2]) {
        return Err(format!("`location` is {dimensions:?}, expected two columns"));
    }
    if values.iter().any(|number| !number.is_finite()) {
        return Err("`location` has a number that is none".to_owned());
    }
    // In column-major order, as MATLAB stores them.
    let (xs, ys) = values.split_at(values.len() / 2);
    Ok(xs.iter().zip(ys).map(|(x, y)| [*x, *y]).collect())
}

/// The first field `location`, at any depth of cells and structures.
fn location(array: &Array) -> Option<&Array> {
    match array {
        Array::Structures(structures) => structures.iter().find_map(|fields| {
            let own = fields.iter().find(|(name, _)| name == "location").map(|(_, array)| array);
            own.or_else(|| fields.iter().find_map(|(_, array)| location(array)))
        }),
        Array::Cells(cells) => cells.iter().find_map(location),
        Array::Numbers { .. } | Array::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Marks;

    /// Files written by SciPy 1.17's `savemat`: the layout of ShanghaiTech (a structure in a cell),
    /// compressed and not; three structures in an array, with 16-bit numbers and behind a text; and
    /// a picture without people.
    const SAMPLES: [(&[u8], &[[f64; 2]]); 4] = [
        (include_bytes!("../../../tests/mat/cell-of-struct.mat"), &[[10.5, 20.25], [100.0, 50.0], [7.0, 8.0]]),
        (include_bytes!("../../../tests/mat/cell-of-struct-plain.mat"), &[[10.5, 20.25], [100.0, 50.0], [7.0, 8.0]]),
        (include_bytes!("../../../tests/mat/array-of-structs.mat"), &[[1.0, 2.0], [300.0, 4.0], [5.0, 6.0]]),
        (include_bytes!("../../../tests/mat/nobody.mat"), &[]),
    ];

    fn read_from(file: &[u8]) -> Result<Marks, String> {
        let folder = tempfile::tempdir().expect("a folder");
        for below in ["images", "ground_truth"] {
            std::fs::create_dir(folder.path().join(below)).expect("a folder in it");
        }
        std::fs::write(folder.path().join("images/IMG_1.jpg"), "").expect("there is room");
        std::fs::write(folder.path().join("ground_truth/GT_IMG_1.mat"), file).expect("written");
        let read = super::super::read(folder.path());
        read.map_err(|error| error.to_string().replace(&folder.path().display().to_string(), ""))
    }

    #[test]
    fn heads_are_read_from_files_that_another_program_wrote() {
        for (file, expected) in SAMPLES {
            let Ok(Marks::Pictures(marked)) = read_from(file) else { panic!("they are pictures") };
            assert_eq!(marked[0].truth.heads, expected);
            assert!(marked[0].picture.ends_with("images/IMG_1.jpg"));
        }
    }

    #[test]
    fn errors_name_their_file() {
        let plain = SAMPLES[1].0;
        let renamed = |from: &[u8], to: &[u8]| {
            let at = plain.windows(from.len()).position(|part| part == from).expect("it is there");
            [&plain[..at], to, &plain[at + from.len()..]].concat()
        };
        let path = "/ground_truth/GT_IMG_1.mat";
        let error = |file: &[u8]| read_from(file).expect_err("it is wrong");
        assert_eq!(
            error(&renamed(b"location", b"position")),
            format!("{path}: there is no `location` in it, where heads should be")
        );
        // Two columns of three rows become three columns of two rows.
        let three = renamed(&[3, 0, 0, 0, 2, 0, 0, 0], &[2, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(error(&three), format!("{path}: `location` is [2, 3], expected two columns"));
        assert_eq!(error(&plain[..plain.len() - 70]), format!("{path}: it ends in the middle of its data"));
        assert_eq!(error(b"no such file"), format!("{path}: not a MATLAB file of version 5 to 7"));
    }
}
