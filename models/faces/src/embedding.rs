//! Output of the face embedder. It is biometric data: no text form, and overwritten when dropped.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::FaceError;

/// A unit vector of 128 dimensions. Those of one person's faces point in similar directions. It has
/// no `serde` form on purpose: [`Embedding::as_slice`] is the only way to store one.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct Embedding(
    // On the heap: moving it leaves no copy behind.
    Box<[f32; Embedding::DIMENSIONS]>,
);

impl Embedding {
    /// Length of the vector.
    pub const DIMENSIONS: usize = 128;

    /// Normalises a vector to length 1.
    ///
    /// # Errors
    /// If there are not 128 numbers, one is not finite, or all are 0.
    pub fn from_slice(values: &[f32]) -> Result<Self, FaceError> {
        unit(values, "an embedding").map(Self)
    }

    /// Overwrites it with another, as [`Self::from_slice`].
    pub(crate) fn set(&mut self, values: &[f32]) -> Result<(), FaceError> {
        write_unit(values, "an embedding", &mut self.0)
    }

    /// Cosine similarity, −1 to 1.
    pub fn cosine(&self, other: &Self) -> f32 {
        dot(self.as_slice(), other.as_slice())
    }

    /// The 128 numbers.
    pub fn as_slice(&self) -> &[f32] {
        self.0.as_slice()
    }
}

/// Normalises `values` to a unit vector on the heap. The error names `what` they are.
pub(crate) fn unit(values: &[f32], what: &'static str) -> Result<Box<[f32; Embedding::DIMENSIONS]>, FaceError> {
    let mut boxed = Box::new([0.0; Embedding::DIMENSIONS]);
    write_unit(values, what, &mut boxed)?;
    Ok(boxed)
}

fn write_unit(values: &[f32], what: &'static str, into: &mut [f32; Embedding::DIMENSIONS]) -> Result<(), FaceError> {
    // In f64, because squares of large values overflow f32.
    let length = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let finite = length.is_finite() && length > 0.0;
    let refuse = || FaceError::NotADirection { what, expected: Embedding::DIMENSIONS, got: values.len(), finite };
    if !finite {
        return Err(refuse());
    }
    let array: &[f32; Embedding::DIMENSIONS] = values.try_into().map_err(|_| refuse())?;
    for (to, from) in into.iter_mut().zip(array) {
        *to = (f64::from(*from) / length) as f32;
    }
    Ok(())
}

/// Dot product of two vectors of length 1, within −1 to 1.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums in parallel, because the compiler may not vectorise a single floating-point sum.
    let mut sums = [0f32; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>().clamp(-1.0, 1.0)
}

const _: () = assert!(Embedding::DIMENSIONS.is_multiple_of(8));

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedding(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn axis(index: usize, length: f32) -> Vec<f32> {
        let mut values = vec![0.0; Embedding::DIMENSIONS];
        values[index] = length;
        values
    }

    #[test]
    fn cosine_depends_on_direction_and_not_on_length() {
        let of = |values: Vec<f32>| Embedding::from_slice(&values).expect("an embedding");
        assert_eq!(of(axis(0, 3.0)).cosine(&of(axis(0, 1e30))), 1.0);
        assert_eq!(of(axis(0, 3.0)).cosine(&of(axis(0, -1e-30))), -1.0);
        assert_eq!(of(axis(0, 3.0)).cosine(&of(axis(127, 3.0))), 0.0);
    }

    #[test]
    fn vectors_without_a_direction_are_refused() {
        let refusal = |values: &[f32]| Embedding::from_slice(values).expect_err("no embedding").to_string();
        assert_eq!(refusal(&[1.0; 127]), "an embedding is 128 finite numbers, not all 0; got 127 numbers");
        for values in [axis(5, f32::NAN), axis(5, f32::INFINITY), axis(5, 0.0)] {
            assert_eq!(
                refusal(&values),
                "an embedding is 128 finite numbers, not all 0; got 128 numbers that are not all finite, or all 0"
            );
        }
    }

    #[test]
    fn debug_text_shows_no_number() {
        assert_eq!(format!("{:?}", Embedding::from_slice(&axis(0, 1.0)).expect("an embedding")), "Embedding(…)");
    }

    proptest! {
        #[test]
        fn every_embedding_has_length_one(values in prop::collection::vec(-1e3f32..1e3, 128)) {
            prop_assume!(values.iter().any(|value| value.abs() > 1e-3));
            let embedding = Embedding::from_slice(&values).expect("an embedding");
            let length: f32 = embedding.as_slice().iter().map(|value| value * value).sum();
            prop_assert!((length - 1.0).abs() < 1e-5);
            prop_assert!((embedding.cosine(&embedding) - 1.0).abs() < 1e-5);
        }
    }
}
