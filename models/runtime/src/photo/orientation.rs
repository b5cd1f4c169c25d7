//! The orientation of a photo by its Exif metadata (CIPA DC-008, tag 274).

use exif::{In, Reader, Tag};
use gatehouse_picture::Size;

/// How a stored picture is turned upright: a transpose, then mirrors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Orientation {
    /// Rows are stored as columns.
    transposed: bool,
    /// Stored columns run from right to left.
    mirrored_x: bool,
    /// Stored rows run from bottom to top.
    mirrored_y: bool,
}

impl Orientation {
    /// Of a picture that is stored upright.
    pub(super) const UPRIGHT: Self = Self::of(1);

    /// Reads Exif metadata (a TIFF structure). Metadata that can't be read means upright.
    pub(super) fn read(exif: &[u8]) -> Self {
        let fields = Reader::new().read_raw(exif.to_vec()).ok();
        let value = fields.and_then(|fields| fields.get_field(Tag::Orientation, In::PRIMARY)?.value.get_uint(0));
        Self::of(value.unwrap_or(1))
    }

    const fn of(value: u32) -> Self {
        let (transposed, mirrored_x, mirrored_y) = match value {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, false, true),
            7 => (true, true, true),
            8 => (true, true, false),
            _ => (false, false, false),
        };
        Self { transposed, mirrored_x, mirrored_y }
    }

    /// Size of the upright picture.
    pub(super) fn upright_size(self, stored: Size) -> Size {
        if self.transposed { Size { width: stored.height, height: stored.width } } else { stored }
    }

    /// Stored column and row of an upright pixel.
    pub(super) fn stored_place(self, stored: Size, x: usize, y: usize) -> (usize, usize) {
        let (column, row) = if self.transposed { (y, x) } else { (x, y) };
        (
            if self.mirrored_x { stored.width - 1 - column } else { column },
            if self.mirrored_y { stored.height - 1 - row } else { row },
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STORED: Size = Size { width: 3, height: 2 };

    /// Where the first stored row and column of each orientation lie, by the standard's table.
    #[test]
    fn each_orientation_is_that_of_the_standard() {
        // The stored top left pixel, in the upright picture: x and y, of its last column or row.
        let top_left = [(0, 0), (2, 0), (2, 1), (0, 1), (0, 0), (1, 0), (1, 2), (0, 2)];
        for (value, (x, y)) in (1..).zip(top_left) {
            let orientation = Orientation::of(value);
            assert_eq!(orientation.stored_place(STORED, x, y), (0, 0), "{value}");
            assert_eq!(orientation.upright_size(STORED).width, if value < 5 { 3 } else { 2 }, "{value}");
        }
    }

    #[test]
    fn each_stored_pixel_has_one_place() {
        for value in 1..=8 {
            let orientation = Orientation::of(value);
            let size = orientation.upright_size(STORED);
            let places = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
            let mut stored: Vec<_> = places.map(|(x, y)| orientation.stored_place(STORED, x, y)).collect();
            stored.sort_unstable();
            assert_eq!(stored, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)], "{value}");
        }
    }

    proptest! {
        #[test]
        fn broken_metadata_means_upright(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            Orientation::read(&bytes);
            Orientation::read(&[b"MM\0\x2a\0\0\0\x08".as_slice(), &bytes].concat());
        }
    }
}
