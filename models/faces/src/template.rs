//! What is kept of an enrolled face: its embedding, turned by a secret rotation of the site's.
//!
//! ISO/IEC 24745 asks of a stored biometric reference that it can be revoked, that those of two sites can't be linked,
//! and that it doesn't give the face back. A rotation drawn from the site's key gives the first two, and costs nothing in
//! accuracy, because it keeps every angle: the method is the projection on random orthonormal vectors of BioHashing
//! (Jin, Ling and Goh, 2004) and of Teoh, Goh and Ngo (2006), without their rounding to bits.
//!
//! Its limits are theirs too (Kong et al., 2006; Nandakumar and Jain, 2015): who has the key turns a template back into
//! the embedding, and who has 128 templates together with their embeddings solves for the rotation. So the key is one of
//! the site's secrets, and templates are encrypted wherever they are stored as well.

use std::fmt;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::embedding::{Embedding, dot, unit};
use crate::error::FaceError;

const DIMENSIONS: usize = Embedding::DIMENSIONS;

/// A protected reference of one face, of length 1; made by [`TemplateProtection::protect`]. Two can be compared if one
/// site's key protected both.
///
/// Like [`Embedding`] it has no text form, and is overwritten when dropped.
#[derive(Clone, PartialEq, ZeroizeOnDrop)]
pub struct Template(
    // On the heap, so that moving it leaves no copy behind.
    Box<[f32; DIMENSIONS]>,
);

impl Template {
    /// Numbers in a template.
    pub const DIMENSIONS: usize = DIMENSIONS;

    /// From the numbers of [`Template::as_slice`], as a store gives them back. Their length is brought to 1.
    ///
    /// # Errors
    /// If there are not 128, one is not finite, or all are 0.
    pub fn from_slice(values: &[f32]) -> Result<Self, FaceError> {
        unit(values, "a template").map(Self)
    }

    /// From the numbers of [`Template::to_i8`].
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

    /// A byte for each number, −127 to 127, so that it fits in a QR code. The scale is left out: only the direction
    /// counts. Scores change by less than 0.005.
    pub fn to_i8(&self) -> Zeroizing<[i8; DIMENSIONS]> {
        let largest = self.0.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        let mut bytes = Zeroizing::new([0; DIMENSIONS]);
        for (to, from) in bytes.iter_mut().zip(self.0.iter()) {
            // The largest becomes ±127, so nothing is cut off. It isn't 0: the length is 1.
            *to = (from / largest * 127.0).round() as i8;
        }
        bytes
    }

    /// Cosine of the angle between two, −1 to 1: that of the embeddings that they were made of.
    pub fn cosine(&self, other: &Self) -> f32 {
        dot(self.as_slice(), other.as_slice())
    }

    /// Its 128 numbers.
    pub fn as_slice(&self) -> &[f32] {
        self.0.as_slice()
    }
}

impl Zeroize for Template {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template(…)")
    }
}

/// A site's secret rotation. Overwritten when dropped.
pub struct TemplateProtection {
    // Orthonormal rows. In f64, so that scores are kept to the precision of f32.
    rows: Zeroizing<Vec<[f64; DIMENSIONS]>>,
}

impl TemplateProtection {
    /// The rotation that belongs to `key`: the same on every machine, as what is stored must outlive one. A new key makes
    /// every template of the old one worthless.
    ///
    /// Standard normal numbers from the key's ChaCha20 stream (RFC 8439, nonce 0; Box and Muller, 1958), made orthonormal,
    /// give each rotation and reflection of the space the same chance (Stewart, 1980).
    pub fn new(key: &[u8; 32]) -> Self {
        let mut rows = Zeroizing::new(vec![[0.0; DIMENSIONS]; DIMENSIONS]);
        fill_with_normals(key, rows.as_flattened_mut());
        orthonormalise(&mut rows);
        Self { rows }
    }

    /// The template of an embedding.
    pub fn protect(&self, embedding: &Embedding) -> Template {
        self.turn(embedding.as_slice().iter().map(|value| f64::from(*value)))
    }

    /// The template that [`Self::protect`] would have made of the embedding behind `template`, which `before` had
    /// protected: a site's new key takes the place of its old one and nobody has to enrol again. To the precision of f32.
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
        // The upper 53 bits of each half, which an f64 holds exactly. The first is never 0, whose logarithm is infinite.
        let step = 1.0 / (1u64 << 53) as f64;
        let (first, second) = ((drawn as u64 >> 11) + 1, (drawn >> 75) as u64);
        // From `libm`, not from the system's C library, whose last digit differs from one to the next.
        let radius = (-2.0 * libm::log(first as f64 * step)).sqrt();
        let (sine, cosine) = libm::sincos(std::f64::consts::TAU * (second as f64 * step));
        pair.copy_from_slice(&[radius * cosine, radius * sine]);
    }
}

/// Modified Gram–Schmidt, twice for each row: once leaves rows that are not quite at right angles, twice is enough (Giraud
/// et al., 2005).
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

    /// Different ones for different `index`es, spread like random ones.
    fn face(index: usize) -> Embedding {
        let mut values = [0.0; DIMENSIONS];
        let mut key = [7; 32];
        key[..8].copy_from_slice(&(index as u64).to_le_bytes());
        fill_with_normals(&key, &mut values);
        Embedding::from_slice(&values.map(|value| value as f32)).expect("a direction")
    }

    #[test]
    fn the_matrix_is_orthogonal_to_the_last_digits() {
        let rows = TemplateProtection::new(&[1; 32]).rows.clone();
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-13, "{i} {j}: {product}");
            }
        }
    }

    // What a site has stored must still match after an update of this program, on any machine: so to the last bit. The
    // same numbers come out of a ChaCha20, Box–Muller and QR decomposition written apart from this, in NumPy.
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
        // Directions drawn at random in 128 dimensions have a cosine of 0 on average, and a deviation of 1/√128 = 0.088.
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((0.08..0.097).contains(&deviation), "{deviation}");
        assert!(greatest < 0.4, "{greatest}");
    }

    // A site that changes its key must not be able to link its old templates to people either.
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
    fn no_debug_text_shows_a_number() {
        let protection = TemplateProtection::new(&[1; 32]);
        assert_eq!(format!("{protection:?} {:?}", protection.protect(&face(1))), "TemplateProtection(…) Template(…)");
    }

    #[test]
    fn zeroizing_leaves_no_number() {
        let mut template = TemplateProtection::new(&[1; 32]).protect(&face(1));
        template.zeroize();
        assert_eq!(template.as_slice(), [0.0; DIMENSIONS]);
    }

    #[test]
    fn what_is_no_direction_is_refused() {
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
        fn a_new_key_gives_the_template_that_it_would_have_given(face in embedding(), old: [u8; 32], new: [u8; 32]) {
            let (old, new) = (TemplateProtection::new(&old), TemplateProtection::new(&new));
            let again = new.protect_again(&old, &old.protect(&face));
            for (value, expected) in again.as_slice().iter().zip(new.protect(&face).as_slice()) {
                prop_assert!((value - expected).abs() < 1e-6);
            }
        }

        #[test]
        fn a_card_holds_the_template_nearly_exactly(a in 0usize..10_000, b in 0usize..10_000) {
            let site = TemplateProtection::new(&[3; 32]);
            let (a, b) = (site.protect(&face(a)), site.protect(&face(b)));
            let card = Template::from_i8(&a.to_i8()).expect("a template");
            prop_assert!(card.cosine(&a) > 0.9998, "{}", card.cosine(&a));
            prop_assert!((card.cosine(&b) - a.cosine(&b)).abs() < 0.005);
        }
    }
}
