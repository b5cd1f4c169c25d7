//! Reads MATLAB files of level 5 (versions 5 to 7), as MathWorks' "MAT-File Format" describes them:
//! either byte order, compressed or not, with cells and structures in each other.
//!
//! Nothing in a file is believed: lengths are checked against the bytes that are there, and the
//! memory, the number of arrays and the depth have limits.

use std::io::Read;

use flate2::read::ZlibDecoder;

/// Most bytes of all variables, decompressed. Marks of a picture take kilobytes.
const MOST_BYTES: u64 = 16 << 20;
/// Most arrays in a file. An empty one takes 8 bytes, so that the limit of bytes is not enough.
const MOST_ARRAYS: usize = 1 << 16;
/// Deepest nesting of arrays.
const DEEPEST: usize = 16;
const HEADER: usize = 128;

/// Types of data elements.
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// A MATLAB array.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Array {
    /// The real part of numbers, in column-major order.
    Numbers { dimensions: Vec<usize>, values: Vec<f64> },
    /// The arrays of a cell array, in column-major order.
    Cells(Vec<Array>),
    /// Structures in column-major order, each with its fields in order.
    Structures(Vec<Vec<(String, Array)>>),
    /// Text, a sparse array, or something else that is not read.
    Other,
}

/// The variables of a file, in order.
pub(super) fn read(file: &[u8]) -> Result<Vec<Array>, String> {
    if file.starts_with(b"\x89HDF") || file.starts_with(b"MATLAB 7.3") {
        return Err("a MATLAB file of version 7.3 (HDF5), which is not read; save it with `save(…, '-v7')`".to_owned());
    }
    let big = match file.get(HEADER - 4..HEADER) {
        Some([_, 1, b'I', b'M']) => false,
        Some([1, _, b'M', b'I']) => true,
        _ => return Err("not a MATLAB file of version 5 to 7".to_owned()),
    };
    let mut budget = Budget { bytes: MOST_BYTES, arrays: MOST_ARRAYS };
    let mut elements = Elements { rest: &file[HEADER..], big };
    let mut variables = Vec::new();
    while let Some((kind, data)) = elements.next()? {
        match kind {
            MATRIX => variables.push(array(data, big, 0, &mut budget)?),
            COMPRESSED => {
                let mut inflated = Vec::new();
                let mut decoder = ZlibDecoder::new(data).take(budget.bytes + 1);
                decoder
                    .read_to_end(&mut inflated)
                    .map_err(|error| format!("its compressed data is damaged: {error}"))?;
                let taken = inflated.len() as u64;
                budget.bytes = budget.bytes.checked_sub(taken).ok_or("it holds more data than any marks have")?;
                let inner = Elements { rest: &inflated, big }.next()?;
                if let Some((MATRIX, data)) = inner {
                    variables.push(array(data, big, 0, &mut budget)?);
                }
            }
            _ => {}
        }
    }
    Ok(variables)
}

struct Budget {
    bytes: u64,
    arrays: usize,
}

/// Data elements, one behind the other.
struct Elements<'a> {
    rest: &'a [u8],
    big: bool,
}

const CUT: &str = "it ends in the middle of its data";

impl<'a> Elements<'a> {
    fn word(&self, at: usize) -> Option<u32> {
        let word = self.rest.get(at..at + 4)?.first_chunk::<4>()?;
        Some(if self.big { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) })
    }

    /// The type and the data of the next element; `None` at the end.
    fn next(&mut self) -> Result<Option<(u32, &'a [u8])>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.word(0).ok_or(CUT)?;
        // A small element has its length and up to four bytes within its eight.
        let (kind, start, length, whole): (u32, usize, usize, usize) = match tag >> 16 {
            0 => {
                let length = self.word(4).ok_or(CUT)? as usize;
                // All but compressed data is padded.
                let whole = if tag == COMPRESSED { length } else { length.div_ceil(8).saturating_mul(8) };
                (tag, 8, length, whole.saturating_add(8))
            }
            length if length <= 4 => (tag & 0xffff, 4, length as usize, 8),
            _ => return Err("it has an element of an unknown kind".to_owned()),
        };
        let data = self.rest.get(start..start.saturating_add(length)).ok_or(CUT)?;
        // The padding of the last element may be left out.
        self.rest = self.rest.get(whole..).unwrap_or_default();
        Ok(Some((kind, data)))
    }

    fn expect(&mut self) -> Result<(u32, &'a [u8]), String> {
        self.next()?.ok_or_else(|| CUT.to_owned())
    }

    /// The values of the next element, as numbers.
    fn numbers(&mut self) -> Result<Vec<f64>, String> {
        let (kind, data) = self.expect()?;
        numbers(kind, data, self.big).ok_or_else(|| "it has numbers of an unknown kind".to_owned())
    }
}

fn numbers(kind: u32, data: &[u8], big: bool) -> Option<Vec<f64>> {
    macro_rules! of {
        ($ty:ty) => {
            data.chunks_exact(size_of::<$ty>())
                .filter_map(|chunk| chunk.try_into().ok())
                .map(|bytes| if big { <$ty>::from_be_bytes(bytes) } else { <$ty>::from_le_bytes(bytes) } as f64)
                .collect()
        };
    }
    Some(match kind {
        1 => of!(i8),
        2 => of!(u8),
        3 => of!(i16),
        4 => of!(u16),
        5 => of!(i32),
        6 => of!(u32),
        7 => of!(f32),
        9 => of!(f64),
        12 => of!(i64),
        13 => of!(u64),
        _ => return None,
    })
}

/// Reads the elements within an array's element.
fn array(data: &[u8], big: bool, depth: usize, budget: &mut Budget) -> Result<Array, String> {
    budget.arrays = budget.arrays.checked_sub(1).ok_or("it holds more arrays than any marks have")?;
    if depth > DEEPEST {
        return Err("its arrays are nested too deeply".to_owned());
    }
    // An empty array may have no elements at all.
    if data.is_empty() {
        return Ok(Array::Numbers { dimensions: vec![0, 0], values: Vec::new() });
    }
    let mut elements = Elements { rest: data, big };
    let class = elements.numbers()?.first().map_or(0, |flags| *flags as u32 & 0xff);
    if !matches!(class, 1..=3 | 6..=15) {
        return Ok(Array::Other);
    }
    let dimensions = elements.numbers()?;
    if dimensions.iter().any(|length| *length < 0.0) {
        return Err("an array of it has a negative size".to_owned());
    }
    let dimensions: Vec<usize> = dimensions.iter().map(|length| *length as usize).collect();
    let count = dimensions.iter().try_fold(1usize, |count, length| count.checked_mul(*length));
    let count = count.ok_or("an array of it is larger than any memory")?;
    // The name: of a variable, and empty within an array.
    elements.expect()?;
    let mut inner = |elements: &mut Elements<'_>| match elements.expect()? {
        (MATRIX, data) => array(data, big, depth + 1, budget),
        _ => Err("an array of it holds no arrays, where it should".to_owned()),
    };
    match class {
        // Each takes at least one element, so a wrong count ends at the end of the data.
        1 => (0..count).map(|_| inner(&mut elements)).collect::<Result<_, _>>().map(Array::Cells),
        2 | 3 => {
            if class == 3 {
                // The name of an object's class.
                elements.expect()?;
            }
            let names = field_names(&mut elements)?;
            if names.is_empty() {
                return Ok(Array::Structures(Vec::new()));
            }
            let structure = |_| -> Result<Vec<(String, Array)>, String> {
                names.iter().map(|name| Ok((name.clone(), inner(&mut elements)?))).collect()
            };
            (0..count).map(structure).collect::<Result<_, String>>().map(Array::Structures)
        }
        _ => {
            let values = elements.numbers()?;
            if values.len() != count {
                return Err(format!("an array of it has {} numbers, expected {count}", values.len()));
            }
            Ok(Array::Numbers { dimensions, values })
        }
    }
}

/// The names of a structure's fields, each in as many bytes as the first element says.
fn field_names(elements: &mut Elements<'_>) -> Result<Vec<String>, String> {
    let length = elements.numbers()?.first().map_or(0, |length| *length as usize);
    let (_, names) = elements.expect()?;
    if length == 0 {
        return Ok(Vec::new());
    }
    let name =
        |bytes: &[u8]| String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    Ok(names.chunks_exact(length).map(name).collect())
}

#[cfg(test)]
#[path = "mat/tests.rs"]
mod tests;
