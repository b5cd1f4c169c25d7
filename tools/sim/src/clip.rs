//! An encoded scene in memory: access units that can be sent in a loop, and their form on disk.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

use crate::{encode::Encoding, error::ClipError};

/// One encoded picture, in byte-stream format, with its parameter sets in front where it is a key
/// frame.
#[derive(Debug, Clone)]
pub(crate) struct AccessUnit {
    /// The bytes. A GStreamer buffer would not do: its reference count has a spin lock, on which a
    /// hundred cameras with one clip came to a standstill.
    pub bytes: Arc<[u8]>,
    /// True if decoding can start here.
    pub key: bool,
    /// Display order minus sending order, in pictures: 0 in a clip without B-frames.
    pub later: i8,
}

/// An encoded scene. It is never empty, its first access unit is a key frame, and no access unit
/// refers to a later one, so the clip can be looped.
#[derive(Debug)]
pub struct Clip {
    /// The encoding; every picture lasts `1 / fps`.
    pub encoding: Encoding,
    pub(crate) units: Vec<AccessUnit>,
    /// Delay of all display times, in pictures, so that no picture is shown before it is sent.
    delay: u64,
}

/// The first bytes of a clip file; the digit is the version of the layout.
const MAGIC: &[u8; 8] = b"GHCLIP2\n";
/// Longest access unit, in bytes; a longer one means that the file is damaged.
const UNIT_BYTES_MAX: u32 = 64 << 20;

impl Clip {
    /// # Errors
    /// [`ClipError::Empty`] or [`ClipError::NoKeyFrame`] where no client could join the clip at its
    /// start.
    pub(crate) fn new(what: &str, encoding: Encoding, units: Vec<AccessUnit>) -> Result<Self, ClipError> {
        match units.first() {
            None => Err(ClipError::Empty { what: what.to_owned() }),
            Some(first) if !first.key => Err(ClipError::NoKeyFrame { what: what.to_owned(), count: units.len() }),
            Some(_) => {
                let earliest = units.iter().map(|unit| unit.later).min().unwrap_or_default();
                Ok(Self { encoding, units, delay: earliest.min(0).unsigned_abs().into() })
            }
        }
    }

    /// Display position of this unit when it is sent as picture `number`, in pictures from the
    /// start.
    pub(crate) fn shown(&self, number: u64, unit: &AccessUnit) -> u64 {
        (number + self.delay).saturating_add_signed(unit.later.into())
    }

    /// The nearest key frame at or after `index`, over the loop's seam if need be.
    pub(crate) fn key_at_or_after(&self, index: usize) -> usize {
        self.units.iter().enumerate().skip(index).find_map(|(at, unit)| unit.key.then_some(at)).unwrap_or(0)
    }

    /// The nearest key frame at or before `index`.
    pub(crate) fn key_at_or_before(&self, index: usize) -> usize {
        self.units.iter().enumerate().take(index + 1).rev().find_map(|(at, unit)| unit.key.then_some(at)).unwrap_or(0)
    }

    /// Writes the clip to a temporary file beside `path` and renames it, so that readers never see
    /// an incomplete file.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        {
            let mut out = io::BufWriter::new(file.as_file_mut());
            out.write_all(MAGIC)?;
            for unit in &self.units {
                let length = u32::try_from(unit.bytes.len()).map_err(io::Error::other)?;
                out.write_all(&[u8::from(unit.key), unit.later.cast_unsigned()])?;
                out.write_all(&length.to_le_bytes())?;
                out.write_all(&unit.bytes)?;
            }
            out.flush()?;
        }
        file.persist(path)?;
        Ok(())
    }

    /// Reads what [`Clip::save`] wrote.
    pub(crate) fn load(path: &Path, encoding: Encoding) -> Result<Self, ClipError> {
        let units = read_units(path).map_err(|source| ClipError::File { path: path.to_owned(), source })?;
        Self::new(&format!("cached clip {}", path.display()), encoding, units)
    }
}

fn read_units(path: &Path) -> io::Result<Vec<AccessUnit>> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not a clip: {what}"));
    let mut file = io::BufReader::new(fs::File::open(path)?);
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic)?;
    if &magic != MAGIC {
        return Err(bad("it begins otherwise"));
    }
    let mut units = Vec::new();
    loop {
        let mut key = [0; 1];
        if file.read(&mut key)? == 0 {
            return Ok(units);
        }
        let (mut later, mut length) = ([0; 1], [0; 4]);
        file.read_exact(&mut later)?;
        file.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if key[0] > 1 || length == 0 || length > UNIT_BYTES_MAX {
            return Err(bad("an access unit's header makes no sense"));
        }
        let mut bytes = vec![0; length as usize];
        file.read_exact(&mut bytes)?;
        units.push(AccessUnit { bytes: bytes.into(), key: key[0] == 1, later: later[0].cast_signed() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MountConfig, Scene};

    fn encoding() -> Encoding {
        MountConfig::new("test", Scene::Black).encoding()
    }

    fn clip(keys: &[bool]) -> Clip {
        let units =
            keys.iter().zip(1_u8..).map(|(&key, byte)| AccessUnit { bytes: [byte; 5].into(), key, later: 0 }).collect();
        Clip::new("test", encoding(), units).unwrap()
    }

    #[test]
    fn key_frames_are_found_over_the_seam() {
        let clip = clip(&[true, false, false, true, false]);
        assert_eq!([0, 1, 3, 4].map(|at| clip.key_at_or_after(at)), [0, 3, 3, 0]);
        assert_eq!([0, 2, 3, 4].map(|at| clip.key_at_or_before(at)), [0, 0, 3, 3]);
    }

    #[test]
    fn a_clip_that_nobody_could_join_is_refused() {
        let delta = AccessUnit { bytes: [1].into(), key: false, later: 0 };
        assert!(matches!(Clip::new("x", encoding(), vec![delta]), Err(ClipError::NoKeyFrame { count: 1, .. })));
        assert!(matches!(Clip::new("x", encoding(), Vec::new()), Err(ClipError::Empty { .. })));
    }

    #[test]
    fn no_picture_is_shown_before_it_is_sent() {
        let units = [(true, 0), (false, 1), (false, -1), (false, 1), (false, -1)];
        let units = units.map(|(key, later)| AccessUnit { bytes: [1].into(), key, later });
        let clip = Clip::new("test", encoding(), units.to_vec()).unwrap();
        let shown: Vec<u64> = clip.units.iter().zip(0..).map(|(unit, number)| clip.shown(number, unit)).collect();
        assert_eq!(shown, [1, 3, 2, 5, 4]);
    }

    #[test]
    fn a_saved_clip_reads_back_the_same_and_a_cut_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/clip");
        let mut saved = clip(&[true, false, false]);
        (saved.units[1].later, saved.units[2].later) = (1, -1);
        saved.save(&path).unwrap();
        let loaded = Clip::load(&path, saved.encoding).unwrap();
        let bytes = |clip: &Clip| -> Vec<(bool, i8, Vec<u8>)> {
            clip.units.iter().map(|unit| (unit.key, unit.later, unit.bytes.to_vec())).collect()
        };
        assert_eq!(bytes(&loaded), bytes(&saved));

        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(matches!(Clip::load(&path, saved.encoding), Err(ClipError::File { .. })));
        fs::write(&path, b"something else").unwrap();
        assert!(matches!(Clip::load(&path, saved.encoding), Err(ClipError::File { .. })));
    }
}
