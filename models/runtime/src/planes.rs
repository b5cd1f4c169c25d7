//! Lends planes of samples to OpenCV without copying them.

use gatehouse_picture::Plane;
use opencv::boxed_ref::BoxedRef;
use opencv::core::{DataType, Mat, Rect, Vec2b, Vec3b};

/// A chroma pair of an interleaved plane.
pub(crate) type Pair = Vec2b;
/// Blue, green and red.
pub(crate) type Bgr = Vec3b;

/// Calls `then` with the plane as a matrix of `T`: `u8` for single samples, [`Pair`] for
/// interleaved chroma, [`Bgr`] for full colour.
///
/// OpenCV's safe constructors need whole rows. A last row without padding, or a stride that is no
/// multiple of `T`, costs a copy into `scratch`. Decoders give neither.
pub(crate) fn with_matrix<T: DataType, R>(
    plane: &Plane<'_>,
    scratch: &mut Vec<u8>,
    then: impl FnOnce(&BoxedRef<'_, Mat>) -> opencv::Result<R>,
) -> opencv::Result<R> {
    let element = size_of::<T>();
    let columns = to_i32(plane.row_bytes / element)?;
    let rows = to_i32(plane.rows)?;
    match plane.data.get(..plane.stride * plane.rows) {
        Some(whole) if plane.stride.is_multiple_of(element) => {
            let strided = Mat::new_rows_cols_with_bytes::<T>(rows, to_i32(plane.stride / element)?, whole)?;
            if plane.stride == plane.row_bytes {
                return then(&strided);
            }
            then(&Mat::roi(&strided, Rect::new(0, 0, columns, rows))?)
        }
        _ => {
            scratch.clear();
            (0..plane.rows).for_each(|row| scratch.extend_from_slice(plane.row(row)));
            then(&Mat::new_rows_cols_with_bytes::<T>(rows, columns, scratch)?)
        }
    }
}

/// A size as OpenCV counts.
pub(crate) fn to_i32(size: usize) -> opencv::Result<i32> {
    i32::try_from(size).map_err(|_| opencv::Error::new(opencv::core::StsOutOfRange, format!("{size} is too large")))
}

#[cfg(test)]
mod tests {
    use opencv::prelude::*;

    use super::*;

    fn rows_of<T: DataType>(plane: &Plane<'_>) -> (Vec<Vec<T>>, usize) {
        let mut scratch = Vec::new();
        let read =
            |matrix: &BoxedRef<'_, Mat>| (0..matrix.rows()).map(|row| Ok(matrix.at_row::<T>(row)?.to_vec())).collect();
        (with_matrix::<T, _>(plane, &mut scratch, read).expect("a matrix"), scratch.len())
    }

    #[test]
    fn padding_is_skipped_without_a_copy() {
        let data = [1, 2, 3, 0, 4, 5, 6, 0];
        let plane = Plane { data: &data, stride: 4, row_bytes: 3, rows: 2 };
        assert_eq!(rows_of::<u8>(&plane), (vec![vec![1, 2, 3], vec![4, 5, 6]], 0));
    }

    #[test]
    fn a_last_row_without_padding_is_copied() {
        let data = [1, 2, 3, 0, 4, 5, 6];
        let plane = Plane { data: &data, stride: 4, row_bytes: 3, rows: 2 };
        assert_eq!(rows_of::<u8>(&plane), (vec![vec![1, 2, 3], vec![4, 5, 6]], 6));
    }

    #[test]
    fn chroma_pairs_are_kept_at_any_stride() {
        let pairs = vec![vec![Pair::from([1, 2])], vec![Pair::from([3, 4])]];
        let even = Plane { data: &[1, 2, 0, 0, 3, 4, 0, 0], stride: 4, row_bytes: 2, rows: 2 };
        assert_eq!(rows_of::<Pair>(&even), (pairs.clone(), 0));
        let odd = Plane { data: &[1, 2, 0, 3, 4, 0], stride: 3, row_bytes: 2, rows: 2 };
        assert_eq!(rows_of::<Pair>(&odd), (pairs, 4));
    }
}
