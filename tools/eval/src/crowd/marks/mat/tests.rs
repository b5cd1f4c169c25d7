use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;

use super::*;

/// Writes arrays as MATLAB does, in either byte order.
struct Writer {
    big: bool,
}

impl Writer {
    fn word(&self, word: u32) -> [u8; 4] {
        if self.big { word.to_be_bytes() } else { word.to_le_bytes() }
    }

    fn element(&self, kind: u32, data: &[u8]) -> Vec<u8> {
        let mut element = [self.word(kind), self.word(data.len() as u32)].concat();
        element.extend(data);
        element.resize(element.len().next_multiple_of(8), 0);
        element
    }

    /// A small element, with up to four bytes.
    fn small(&self, kind: u32, data: &[u8]) -> Vec<u8> {
        let mut element = self.word((data.len() as u32) << 16 | kind).to_vec();
        element.extend(data);
        element.resize(8, 0);
        element
    }

    fn start(&self, class: u32, dimensions: &[u32], name: &str) -> Vec<u8> {
        let sizes: Vec<u8> = dimensions.iter().flat_map(|size| self.word(*size)).collect();
        let flags = [self.word(class), self.word(0)].concat();
        let name = if name.len() <= 4 { self.small(1, name.as_bytes()) } else { self.element(1, name.as_bytes()) };
        [self.element(6, &flags), self.element(5, &sizes), name].concat()
    }

    fn doubles(&self, dimensions: &[u32], values: &[f64], name: &str) -> Vec<u8> {
        let bytes: Vec<u8> =
            values.iter().flat_map(|value| if self.big { value.to_be_bytes() } else { value.to_le_bytes() }).collect();
        self.element(MATRIX, &[self.start(6, dimensions, name), self.element(9, &bytes)].concat())
    }

    /// Doubles that MATLAB stores as bytes, because they are whole and small.
    fn bytes(&self, dimensions: &[u32], values: &[u8]) -> Vec<u8> {
        let numbers = if values.len() <= 4 { self.small(2, values) } else { self.element(2, values) };
        self.element(MATRIX, &[self.start(6, dimensions, ""), numbers].concat())
    }

    fn cells(&self, cells: &[Vec<u8>], name: &str) -> Vec<u8> {
        self.element(MATRIX, &[self.start(1, &[1, cells.len() as u32], name), cells.concat()].concat())
    }

    fn structures(&self, names: &[&str], structures: &[Vec<Vec<u8>>]) -> Vec<u8> {
        let mut all = Vec::new();
        for name in names {
            all.extend(name.as_bytes());
            all.resize(all.len().next_multiple_of(32), 0);
        }
        let start = self.start(2, &[1, structures.len() as u32], "");
        let (length, names) = (self.small(5, &self.word(32)), self.element(1, &all));
        self.element(MATRIX, &[start, length, names, structures.concat().concat()].concat())
    }

    fn file(&self, variables: &[Vec<u8>], compressed: bool) -> Vec<u8> {
        let mut file = b"MATLAB 5.0 MAT-file, by a test".to_vec();
        file.resize(HEADER - 4, b' ');
        file.extend(if self.big { *b"\x01\x00MI" } else { *b"\x00\x01IM" });
        for variable in variables {
            if compressed {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(variable).expect("in memory");
                let packed = encoder.finish().expect("in memory");
                file.extend([self.word(COMPRESSED), self.word(packed.len() as u32)].concat());
                file.extend(packed);
            } else {
                file.extend(variable);
            }
        }
        file
    }
}

fn numbers(dimensions: &[usize], values: &[f64]) -> Array {
    Array::Numbers { dimensions: dimensions.to_vec(), values: values.to_vec() }
}

#[test]
fn arrays_in_arrays_are_read_in_either_byte_order() {
    for (big, compressed) in [(false, false), (false, true), (true, false), (true, true)] {
        let write = Writer { big };
        let person = |x: f64| vec![write.doubles(&[1, 2], &[x, 2.5], ""), write.bytes(&[1, 3], &[7, 8, 9])];
        let structures = write.structures(&["location", "number"], &[person(1.0), person(-4.0)]);
        let empty = write.element(MATRIX, &[]);
        let variables =
            [write.doubles(&[2, 1], &[1e9, -1.0], "count"), write.cells(&[structures, empty], "image_info")];
        let read = read(&write.file(&variables, compressed)).expect("sound");
        let person = |x: f64| {
            vec![
                ("location".to_owned(), numbers(&[1, 2], &[x, 2.5])),
                ("number".to_owned(), numbers(&[1, 3], &[7.0, 8.0, 9.0])),
            ]
        };
        let structures = Array::Structures(vec![person(1.0), person(-4.0)]);
        let cells = Array::Cells(vec![structures, numbers(&[0, 0], &[])]);
        assert_eq!(read, [numbers(&[2, 1], &[1e9, -1.0]), cells], "big: {big}, compressed: {compressed}");
    }
}

#[test]
fn what_claims_too_much_is_refused() {
    let write = Writer { big: false };
    let refusal = |variable: Vec<u8>| read(&write.file(&[variable], false)).expect_err("too much");
    let many = write.element(MATRIX, &write.start(1, &[u32::MAX >> 1, u32::MAX >> 1], ""));
    assert_eq!(refusal(many), CUT);
    let huge = write.element(MATRIX, &write.start(6, &[u32::MAX >> 1; 3], ""));
    assert_eq!(refusal(huge), "an array of it is larger than any memory");
    let negative = write.element(MATRIX, &write.start(6, &[u32::MAX, 1], ""));
    assert_eq!(refusal(negative), "an array of it has a negative size");
    let few = write.element(MATRIX, &[write.start(6, &[9, 9], ""), write.small(2, &[1])].concat());
    assert_eq!(refusal(few), "an array of it has 1 numbers, expected 81");
    let deep = (0..40).fold(write.bytes(&[1, 1], &[1]), |inner, _| write.cells(&[inner], ""));
    assert_eq!(refusal(deep), "its arrays are nested too deeply");
    let empty = vec![write.element(MATRIX, &[]); MOST_ARRAYS];
    assert_eq!(refusal(write.cells(&empty, "")), "it holds more arrays than any marks have");
    let bomb = read(&write.file(&[write.element(MATRIX, &vec![0; MOST_BYTES as usize])], true));
    assert_eq!(bomb.expect_err("too much"), "it holds more data than any marks have");
    assert!(read(b"no such file").is_err());
    let newer = [b"MATLAB 7.3 MAT-file".as_slice(), &[b' '; 105], b"\0\x02IM"].concat();
    assert!(read(&newer).expect_err("HDF5").contains("version 7.3"));
}

proptest! {
    #[test]
    fn no_bytes_panic(big: bool, compressed: bool, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
                      cut: prop::sample::Index) {
        let write = Writer { big };
        let inner = write.structures(&["location"], &[vec![write.doubles(&[2, 2], &[1.0, 2.0, 3.0, 4.0], "")]]);
        let mut variable = write.cells(&[inner.clone(), inner], "image_info");
        // Damage before compression reaches the arrays.
        for (at, byte) in &damage {
            let at = at.index(variable.len());
            variable[at] = *byte;
        }
        let mut file = write.file(&[variable], compressed);
        let _ = read(&file);
        for (at, byte) in &damage {
            let at = at.index(file.len());
            file[at] = *byte;
        }
        let _ = read(&file[..cut.index(file.len())]);
        let _ = read(&file);
    }
}
