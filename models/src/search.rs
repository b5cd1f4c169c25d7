//! Finds who of the enrolled is most like a face: compares with every one (1:N, exhaustive).

use zeroize::Zeroizing;

use crate::embedding::{Embedding, dot};

/// Enrolled embeddings, each with a key of the caller's. Overwritten when dropped.
#[derive(Default)]
pub struct Gallery<K> {
    keys: Vec<K>,
    // One row of 128 numbers each, so that a search reads memory from end to end.
    rows: Zeroizing<Vec<f32>>,
}

/// The nearest of a gallery; whether that is near enough is for a threshold to say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Which of the gallery, in the order of its making.
    pub index: usize,
    /// Cosine, −1 to 1.
    pub score: f32,
}

impl<K> Gallery<K> {
    /// How many are enrolled.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nobody is enrolled.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that was given with the `index`th embedding.
    pub fn key(&self, index: usize) -> Option<&K> {
        self.keys.get(index)
    }

    /// The nearest, the first of equals; none if nobody is enrolled.
    pub fn best(&self, probe: &Embedding) -> Option<Match> {
        let mut best: Option<Match> = None;
        for (index, row) in self.rows.chunks_exact(Embedding::DIMENSIONS).enumerate() {
            let score = dot(row, probe.as_slice());
            if best.is_none_or(|best| score > best.score) {
                best = Some(Match { index, score });
            }
        }
        best
    }
}

impl<K> FromIterator<(K, Embedding)> for Gallery<K> {
    fn from_iter<I: IntoIterator<Item = (K, Embedding)>>(enrolled: I) -> Self {
        let (keys, embeddings): (Vec<K>, Vec<Embedding>) = enrolled.into_iter().unzip();
        // At once in its full size: growing would leave copies of templates behind in freed memory.
        let mut rows = Zeroizing::new(Vec::with_capacity(keys.len() * Embedding::DIMENSIONS));
        embeddings.iter().for_each(|embedding| rows.extend_from_slice(embedding.as_slice()));
        Self { keys, rows }
    }
}

impl<K> std::fmt::Debug for Gallery<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gallery({} enrolled)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn embedding() -> impl Strategy<Value = Embedding> {
        prop::collection::vec(-1f32..1.0, Embedding::DIMENSIONS)
            .prop_filter_map("a direction", |values| Embedding::from_slice(&values).ok())
    }

    #[test]
    fn an_empty_gallery_matches_nobody() {
        let probe = Embedding::from_slice(&[1.0; Embedding::DIMENSIONS]).expect("an embedding");
        assert_eq!(Gallery::<u8>::default().best(&probe), None);
    }

    #[test]
    fn of_equals_the_first_is_found_and_debug_shows_no_key() {
        let probe = Embedding::from_slice(&[1.0; Embedding::DIMENSIONS]).expect("an embedding");
        let gallery: Gallery<&str> = [("ada", probe.clone()), ("bob", probe.clone())].into_iter().collect();
        let best = gallery.best(&probe).expect("two are enrolled");
        assert_eq!(gallery.key(best.index), Some(&"ada"));
        assert!(best.score > 0.999);
        assert_eq!(format!("{gallery:?}"), "Gallery(2 enrolled)");
    }

    proptest! {
        #[test]
        fn the_best_is_the_greatest_of_all_cosines(
            enrolled in prop::collection::vec(embedding(), 1..30), probe in embedding(),
        ) {
            // Straight from the definition, in another order of summing and in f64.
            let cosine = |e: &Embedding| -> f64 {
                e.as_slice().iter().zip(probe.as_slice()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let greatest = enrolled.iter().map(cosine).fold(f64::NEG_INFINITY, f64::max);
            let gallery: Gallery<usize> = enrolled.iter().cloned().enumerate().collect();
            let best = gallery.best(&probe).expect("someone is enrolled");
            prop_assert_eq!(gallery.key(best.index), Some(&best.index));
            prop_assert!((f64::from(best.score) - greatest).abs() < 1e-5);
            prop_assert!((cosine(&enrolled[best.index]) - greatest).abs() < 1e-5);
        }
    }
}
