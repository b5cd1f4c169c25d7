//! Template protection: rotates embeddings by a secret matrix of the site.
//!
//! ISO/IEC 24745 requires that a stored biometric reference can be revoked, can't be linked between
//! sites, and doesn't reveal the face. A rotation drawn from the site's key gives the first two. It
//! keeps every angle, so it costs no accuracy. The method is the projection of BioHashing (Jin,
//! Ling and Goh, 2004; Teoh, Goh and Ngo, 2006) without rounding to bits.
//!
//! The method has known limits (Kong et al., 2006; Nandakumar and Jain, 2015). The key turns a
//! template back into the embedding, and 128 templates with their embeddings give the rotation. So
//! the key is a secret of the site, and stored templates are encrypted too.

use std::fmt;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::embedding::{Embedding, dot, unit};
use crate::error::FaceError;

const DIMENSIONS: usize = Embedding::DIMENSIONS;

/// A protected unit vector of one face, made by [`TemplateProtection::protect`]. Templates of the
/// same site's key can be compared.
///
/// Like an [`Embedding`], it has no text form and is overwritten when dropped.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct Template(
    // On the heap: moving it leaves no copy behind.
    Box<[f32; DIMENSIONS]>,
);

impl Template {
    /// Length of the vector.
    pub const DIMENSIONS: usize = DIMENSIONS;

    /// Restores a template from the numbers of [`Template::as_slice`], normalised to length 1.
    ///
    /// # Errors
    /// If there are not 128, one is not finite, or all are 0.
    pub fn from_slice(values: &[f32]) -> Result<Self, FaceError> {
        unit(values, "a template").map(Self)
    }

    /// Restores a template from the numbers of [`Template::to_i8`].
    ///
    /// # Errors
    /// If all are 0.
    pub fn from_i8(values: &[i8; DIMENSIONS]) -> Result<Self, FaceError> {
        let mut wide = Zeroizing::new([0f32; DIMENSIONS]);
        for (to, from) in wide.iter_mut().zip(values) {
            *to = f32::from(*from);
        }
        Self::from_slice(wide.as_slice())
    }

    /// Quantises each number to −127…127, to fit a QR code. The scale is dropped, because only the
    /// direction counts. Scores change by less than 0.005.
    pub fn to_i8(&self) -> Zeroizing<[i8; DIMENSIONS]> {
        let largest = self.0.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        let mut bytes = Zeroizing::new([0; DIMENSIONS]);
        for (to, from) in bytes.iter_mut().zip(self.0.iter()) {
            // The largest becomes ±127. It isn't 0, because the length is 1.
            *to = (from / largest * 127.0).round() as i8;
        }
        bytes
    }

    /// Cosine similarity, −1 to 1. It equals that of the embeddings.
    pub fn cosine(&self, other: &Self) -> f32 {
        dot(self.as_slice(), other.as_slice())
    }

    /// The 128 numbers.
    pub fn as_slice(&self) -> &[f32] {
        self.0.as_slice()
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template(…)")
    }
}

/// A site's secret rotation. Overwritten when dropped.
pub struct TemplateProtection {
    // Orthonormal rows, in f64 to keep scores to the precision of f32.
    rows: Zeroizing<Vec<[f64; DIMENSIONS]>>,
}

impl TemplateProtection {
    /// Derives the rotation of `key`. It is the same on every machine, because templates outlive
    /// one. Templates of an old key don't match under a new one.
    ///
    /// Standard normal numbers from the key's ChaCha20 stream (RFC 8439, nonce 0; Box and Muller,
    /// 1958) are made orthonormal. Each rotation and reflection is equally likely (Stewart, 1980).
    pub fn new(key: &[u8; 32]) -> Self {
        let mut rows = Zeroizing::new(vec![[0.0; DIMENSIONS]; DIMENSIONS]);
        fill_with_normals(key, rows.as_flattened_mut());
        orthonormalise(&mut rows);
        Self { rows }
    }

    /// Makes the template of an embedding.
    pub fn protect(&self, embedding: &Embedding) -> Template {
        self.turn(embedding.as_slice().iter().map(|value| f64::from(*value)))
    }

    /// Converts a template of key `before` to this key, in f32, so that nobody must enrol again.
    pub fn protect_again(&self, before: &Self, template: &Template) -> Template {
        // A rotation's inverse is its transpose.
        let mut embedding = Zeroizing::new([0f64; DIMENSIONS]);
        for (row, value) in before.rows.iter().zip(template.as_slice()) {
            embedding.iter_mut().zip(row).for_each(|(to, from)| *to += from * f64::from(*value));
        }
        self.turn(embedding.iter().copied())
    }

    fn turn(&self, embedding: impl Iterator<Item = f64> + Clone) -> Template {
        let mut turned = Box::new([0f32; DIMENSIONS]);
        for (to, row) in turned.iter_mut().zip(self.rows.iter()) {
            *to = row.iter().zip(embedding.clone()).map(|(a, b)| a * b).sum::<f64>() as f32;
        }
        Template(turned)
    }
}

impl fmt::Debug for TemplateProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TemplateProtection(…)")
    }
}

fn fill_with_normals(key: &[u8; 32], values: &mut [f64]) {
    let mut stream = ChaCha20::new(key.into(), &[0; 12].into());
    let mut bytes = Zeroizing::new([0u8; 16]);
    for pair in values.chunks_exact_mut(2) {
        bytes.fill(0);
        stream.apply_keystream(bytes.as_mut_slice());
        let drawn = u128::from_le_bytes(*bytes);
        // The upper 53 bits of each half, exact in f64. The first is never 0, for the logarithm.
        let step = 1.0 / (1u64 << 53) as f64;
        let (first, second) = ((drawn as u64 >> 11) + 1, (drawn >> 75) as u64);
        // From `libm`: C libraries differ in the last digit.
        let radius = (-2.0 * libm::log(first as f64 * step)).sqrt();
        let (sine, cosine) = libm::sincos(std::f64::consts::TAU * (second as f64 * step));
        pair.copy_from_slice(&[radius * cosine, radius * sine]);
    }
}

/// Makes rows orthonormal by modified Gram–Schmidt; twice is enough (Giraud et al., 2005).
fn orthonormalise(rows: &mut [[f64; DIMENSIONS]]) {
    for index in 0..rows.len() {
        let (done, rest) = rows.split_at_mut(index);
        let row = &mut rest[0];
        for before in done.iter().chain(done.iter()) {
            let along: f64 = row.iter().zip(before).map(|(a, b)| a * b).sum();
            row.iter_mut().zip(before).for_each(|(a, b)| *a -= along * b);
        }
        let length = row.iter().map(|a| a * a).sum::<f64>().sqrt();
        row.iter_mut().for_each(|a| *a /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn embedding() -> impl Strategy<Value = Embedding> {
        prop::collection::vec(-1f32..1.0, DIMENSIONS)
            .prop_filter_map("a direction", |values| Embedding::from_slice(&values).ok())
    }

    /// Random-like embeddings, one for each `index`.
    fn face(index: usize) -> Embedding {
        let mut values = [0.0; DIMENSIONS];
        let mut key = [7; 32];
        key[..8].copy_from_slice(&(index as u64).to_le_bytes());
        fill_with_normals(&key, &mut values);
        Embedding::from_slice(&values.map(|value| value as f32)).expect("a direction")
    }

    #[test]
    fn the_matrix_is_orthogonal() {
        let rows = TemplateProtection::new(&[1; 32]).rows.clone();
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-13, "{i} {j}: {product}");
            }
        }
    }

    // Stored templates must match after an update, on any machine. An independent implementation in
    // NumPy gives the same numbers.
    #[test]
    fn a_key_gives_the_same_matrix_for_ever() {
        let rows = &TemplateProtection::new(&std::array::from_fn(|i| i as u8)).rows;
        let some = [rows[0][0], rows[0][127], rows[64][3], rows[127][0], rows[127][127]];
        let expected = [
            -0.030001384815604017,
            0.049880944732363215,
            -0.00039869085885403747,
            -0.038654170555256766,
            0.2090765278032863,
        ];
        assert_eq!(some.map(f64::to_bits), expected.map(f64::to_bits), "{some:?}");
    }

    #[test]
    fn two_sites_templates_of_one_face_score_like_strangers() {
        let (here, there) = (TemplateProtection::new(&[1; 32]), TemplateProtection::new(&[2; 32]));
        let faces = 2000;
        let scores: Vec<f64> = (0..faces)
            .map(|index| {
                let face = face(index);
                let (a, b) = (here.protect(&face), there.protect(&face));
                assert!((a.cosine(&here.protect(&face)) - 1.0).abs() < 1e-6);
                f64::from(a.cosine(&b))
            })
            .collect();
        let mean = scores.iter().sum::<f64>() / faces as f64;
        let deviation = (scores.iter().map(|score| score * score).sum::<f64>() / faces as f64).sqrt();
        let greatest = scores.iter().fold(0.0, |greatest: f64, score| greatest.max(score.abs()));
        // Cosines of random directions in 128 dimensions have mean 0 and deviation 1/√128 = 0.088.
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((0.08..0.097).contains(&deviation), "{deviation}");
        assert!(greatest < 0.4, "{greatest}");
    }

    // After a change of key, old templates can't be linked to people.
    #[test]
    fn one_bit_of_the_key_changes_everything() {
        let mut other = [1; 32];
        other[31] ^= 0x80;
        let face = face(0);
        let score =
            TemplateProtection::new(&[1; 32]).protect(&face).cosine(&TemplateProtection::new(&other).protect(&face));
        assert!(score.abs() < 0.4, "{score}");
    }

    #[test]
    fn debug_texts_show_no_number() {
        let protection = TemplateProtection::new(&[1; 32]);
        assert_eq!(format!("{protection:?} {:?}", protection.protect(&face(1))), "TemplateProtection(…) Template(…)");
    }

    #[test]
    fn zeroizing_overwrites_all_numbers() {
        let mut template = TemplateProtection::new(&[1; 32]).protect(&face(1));
        template.zeroize();
        assert_eq!(template.as_slice(), [0.0; DIMENSIONS]);
    }

    #[test]
    fn vectors_without_a_direction_are_refused() {
        let refusal = Template::from_slice(&[1.0; 127]).expect_err("no template").to_string();
        assert_eq!(refusal, "a template is 128 finite numbers, not all 0; got 127 numbers");
        let refusal = Template::from_i8(&[0; DIMENSIONS]).expect_err("no template").to_string();
        assert_eq!(
            refusal,
            "a template is 128 finite numbers, not all 0; got 128 numbers that are not all finite, or all 0"
        );
    }

    proptest! {
        #[test]
        fn scores_inside_a_site_are_kept(a in embedding(), b in embedding(), key: [u8; 32]) {
            let site = TemplateProtection::new(&key);
            let exact = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let (ta, tb) = (site.protect(&a), site.protect(&b));
            let before = exact(a.as_slice(), b.as_slice());
            prop_assert!((exact(ta.as_slice(), tb.as_slice()) - before).abs() < 1e-6);
            prop_assert!((f64::from(ta.cosine(&tb)) - before).abs() < 1e-6);
            prop_assert_eq!(Template::from_slice(ta.as_slice()).expect("a template").cosine(&tb), ta.cosine(&tb));
        }

        #[test]
        fn a_converted_template_equals_a_new_one(face in embedding(), old: [u8; 32], new: [u8; 32]) {
            let (old, new) = (TemplateProtection::new(&old), TemplateProtection::new(&new));
            let again = new.protect_again(&old, &old.protect(&face));
            for (value, expected) in again.as_slice().iter().zip(new.protect(&face).as_slice()) {
                prop_assert!((value - expected).abs() < 1e-6);
            }
        }

        #[test]
        fn a_quantised_template_keeps_its_scores(a in 0usize..10_000, b in 0usize..10_000) {
            let site = TemplateProtection::new(&[3; 32]);
            let (a, b) = (site.protect(&face(a)), site.protect(&face(b)));
            let card = Template::from_i8(&a.to_i8()).expect("a template");
            prop_assert!(card.cosine(&a) > 0.9998, "{}", card.cosine(&a));
            prop_assert!((card.cosine(&b) - a.cosine(&b)).abs() < 0.005);
        }
    }
}
