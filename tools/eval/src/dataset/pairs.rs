//! LFW's lists of pairs, `pairs.txt` and `pairsDevTest.txt` (Huang et al., 2007).
//!
//! The first line has the number of folds and of pairs of each kind in a fold, or the latter alone.
//! A pair of one person is `NAME N M`, of two people `NAME N OTHER M`; N and M are numbers of
//! pictures; `NAME/NAME_0001.jpg` is the first.

use std::collections::HashMap;
use std::path::Path;

use super::folders::Grouped;
use crate::error::EvalError;

/// Folds of a list without folds: as many as LFW's.
const FOLDS: usize = 10;
const PAIR: &str = "NAME N M, or NAME N OTHER M";

/// A pair of pictures, by their index in a [`Grouped`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The fold, from 0.
    pub(crate) fold: usize,
    pub(crate) genuine: bool,
    pub(crate) a: usize,
    pub(crate) b: usize,
}

/// A list of pairs whose pictures are in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pairs {
    /// The pairs whose pictures both exist.
    pub(crate) pairs: Vec<Pair>,
    /// Pairs in the list.
    pub(crate) listed: usize,
    pub(crate) has_folds: bool,
}

impl Pairs {
    /// Reads a list and finds its pictures. Fails if a line is wrong or no pair's pictures exist.
    pub(crate) fn read(path: &Path, pictures: &Grouped) -> Result<Self, EvalError> {
        let text = std::fs::read_to_string(path).map_err(EvalError::unreadable(path))?;
        // The error does not show the line, because it contains names.
        let wrong = |line: usize, expected: &str, fields: &[&str]| {
            let path = path.display();
            EvalError::DataSet(format!("{path}:{line}: expected {expected}, got {} field(s)", fields.len()))
        };
        let mut lines =
            (1..).zip(text.lines()).map(|(line, text)| (line, fields(text))).filter(|(_, fields)| !fields.is_empty());
        let (line, head) = lines.next().unwrap_or((1, Vec::new()));
        let numbers: Option<Vec<usize>> = head.iter().map(|n| n.parse().ok().filter(|n| *n > 0)).collect();
        let (folds, each) = match numbers.as_deref() {
            Some([folds, each]) => (Some(*folds), *each),
            Some([each]) => (None, *each),
            _ => {
                let expected = "the number of folds and of pairs of each kind in a fold, or the latter alone";
                return Err(wrong(line, expected, &head));
            }
        };
        let places = places(pictures);
        let mut pairs = Vec::new();
        // Number of earlier pairs of each kind.
        let mut before = [0usize; 2];
        for (line, fields) in lines {
            let (genuine, [name, n, other, m]) = match fields.as_slice() {
                [name, n, m] => (true, [*name, *n, *name, *m]),
                [name, n, other, m] => (false, [*name, *n, *other, *m]),
                _ => return Err(wrong(line, PAIR, &fields)),
            };
            let numbers = n.parse::<u32>().ok().zip(m.parse::<u32>().ok());
            let (n, m) = numbers.ok_or_else(|| wrong(line, PAIR, &fields))?;
            let count = &mut before[usize::from(genuine)];
            let fold = match folds {
                Some(folds) => (*count / each).min(folds - 1),
                None => (*count * FOLDS / each).min(FOLDS - 1),
            };
            *count += 1;
            if let (Some(a), Some(b)) = (places.get(&(name, n)), places.get(&(other, m))) {
                pairs.push(Pair { fold, genuine, a: *a, b: *b });
            }
        }
        let listed: usize = before.iter().sum();
        if pairs.is_empty() {
            let reason = format!(
                "none of its {listed} pairs has both pictures in the folder; expected PERSON/PERSON_0001.jpg and so on"
            );
            return Err(EvalError::data_set(path, reason));
        }
        Ok(Self { pairs, listed, has_folds: folds.is_some() })
    }
}

/// The index of each picture, by the folder's name and the number at the end of the file's name.
fn places(pictures: &Grouped) -> HashMap<(&str, u32), usize> {
    let all = pictures.groups.iter().flat_map(|group| group.pictures.iter().map(|path| (group.name.as_str(), path)));
    all.enumerate()
        .filter_map(|(place, (name, path))| {
            let stem = path.file_stem()?.to_str()?;
            let number = stem.rsplit('_').next()?.parse().ok()?;
            Some(((name, number), place))
        })
        .collect()
}

/// LFW's lists are separated by tabs, so that a name may contain spaces.
fn fields(line: &str) -> Vec<&str> {
    if line.contains('\t') {
        line.split('\t').map(str::trim).filter(|field| !field.is_empty()).collect()
    } else {
        line.split_whitespace().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::dataset::folders::Group;

    fn pictures() -> Grouped {
        let group = |name: &str, count: u32| Group {
            name: name.to_owned(),
            pictures: (1..=count).map(|n| PathBuf::from(format!("/lfw/{name}/{name}_{n:04}.jpg"))).collect(),
        };
        Grouped { groups: vec![group("Ann_B", 3), group("Cy", 2)], other_files: 0 }
    }

    fn read(text: &str) -> Result<Pairs, EvalError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pairs.txt");
        std::fs::write(&path, text).expect("written");
        Pairs::read(&path, &pictures())
    }

    #[test]
    fn the_list_of_ten_folds_is_read() {
        let pairs = read("2\t1\nAnn_B\t1\t3\nAnn_B\t2\tCy\t1\nCy\t1\t2\nCy\t2\tAnn_B\t1\n").expect("a list");
        assert_eq!(
            pairs.pairs,
            [
                Pair { fold: 0, genuine: true, a: 0, b: 2 },
                Pair { fold: 0, genuine: false, a: 1, b: 3 },
                Pair { fold: 1, genuine: true, a: 3, b: 4 },
                Pair { fold: 1, genuine: false, a: 4, b: 0 },
            ]
        );
        assert!(pairs.has_folds);
    }

    #[test]
    fn a_list_without_folds_is_cut_in_order() {
        let lines = |line: &str| std::iter::repeat_n(line, 20).collect::<Vec<_>>().join("\n");
        let pairs = read(&format!("20\n{}\n{}\n", lines("Cy 1 2"), lines("Cy 1 Ann_B 2"))).expect("a list");
        assert!(!pairs.has_folds);
        let folds: Vec<usize> = pairs.pairs.iter().map(|pair| pair.fold).collect();
        let tenths: Vec<usize> = (0..20).map(|n| n / 2).collect();
        assert_eq!(folds, [tenths.clone(), tenths].concat());
    }

    #[test]
    fn pairs_with_missing_pictures_are_left_out() {
        let pairs = read("1 2\nCy 1 2\nCy 1 7\nNobody 1 Cy 1\n\n").expect("a list");
        assert_eq!((pairs.pairs.len(), pairs.listed), (1, 3));
        let error = read("1\t1\nNo body\t1\t2\n").expect_err("nothing there").to_string();
        assert!(error.contains("none of its 1 pairs"), "a name with a space: {error}");
        let error = read("1 1\nNobody 1 2\n").expect_err("nothing there").to_string();
        assert!(error.contains("none of its 1 pairs has both pictures"), "{error}");
    }

    #[test]
    fn a_wrong_line_is_named_by_number_only() {
        for (text, wanted) in [
            ("", ":1: expected the number of folds"),
            ("ten 300\n", ":1: expected the number of folds"),
            ("10 0\n", ":1: expected the number of folds"),
            ("10 300\n\nAnn_B 1\n", ":3: expected NAME N M, or NAME N OTHER M, got 2 field(s)"),
            ("10 300\nAnn_B one 2\n", ":2: expected NAME N M, or NAME N OTHER M, got 3 field(s)"),
        ] {
            let error = read(text).expect_err("a wrong list").to_string();
            assert!(error.contains(wanted), "{error}");
            assert!(!error.contains("Ann"), "{error}");
        }
    }
}
