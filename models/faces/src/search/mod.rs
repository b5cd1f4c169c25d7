//! Finds the enrolled templates nearest to a probe (1:N, exhaustive), in one pass over memory.
//!
//! A [`Gallery`] is a persistent value: clones are cheap and independent. A gate keeps its version
//! while the next one is built, so no thread waits.

mod scan;
mod segment;

use std::fmt;
use std::sync::Arc;

use pulp::Arch;

use crate::template::Template;
use scan::{BLOCK, scan};
use segment::Segment;

/// Templates of enrolled people, each with a key of the caller. One key may own several.
///
/// Versions of a gallery share segments of at most 1024 templates (512 KiB). A change copies only
/// the segments that it touches. A segment is overwritten when the last version that holds it is
/// dropped, so a removed template is gone as soon as no thread searches an older version.
#[derive(Clone)]
pub struct Gallery<K> {
    // No segment is empty, and no two neighbours are both at most half full.
    segments: Vec<Arc<Segment<K>>>,
}

/// An enrolled template and its score. The caller compares the score with a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match<'a, K> {
    /// Key of its owner.
    pub key: &'a K,
    /// Cosine, −1 to 1.
    pub score: f32,
}

/// Result of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found<'a, K> {
    /// The nearest template; of equal ones, the first inserted.
    pub best: Match<'a, K>,
    /// The nearest template with another key, if there is one.
    pub runner_up: Option<Match<'a, K>>,
}

impl<K> Gallery<K> {
    /// Number of templates.
    pub fn len(&self) -> usize {
        self.segments.iter().map(|segment| segment.len()).sum()
    }

    /// Whether nobody is enrolled.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }
}

impl<K: Copy + Eq> Gallery<K> {
    /// Adds a template.
    pub fn insert(&mut self, key: K, template: &Template) {
        match self.segments.last_mut() {
            Some(last) if !last.is_full() => Arc::make_mut(last).push(key, template),
            _ => {
                let mut segment = Segment::default();
                segment.push(key, template);
                self.segments.push(Arc::new(segment));
            }
        }
    }

    /// Removes all templates whose key `unwanted` says yes to, and says how many they were.
    pub fn remove_if(&mut self, mut unwanted: impl FnMut(&K) -> bool) -> usize {
        let before = self.len();
        for segment in &mut self.segments {
            let wanted: Vec<bool> = segment.keys.iter().map(|key| !unwanted(key)).collect();
            if wanted.contains(&false) {
                // Copied even if nobody else holds it, so that all of the old one is overwritten.
                *segment = Arc::new(segment.only(&wanted));
            }
        }
        self.segments.retain(|segment| segment.len() > 0);
        self.join_small_neighbours();
        before - self.len()
    }

    fn join_small_neighbours(&mut self) {
        let mut index = 1;
        while let Some([a, b]) = self.segments.get(index - 1..=index) {
            if a.is_half_empty() && b.is_half_empty() {
                let joined = Arc::new(a.joined_with(b));
                self.segments.splice(index - 1..=index, [joined]);
            } else {
                index += 1;
            }
        }
    }

    /// The nearest and the runner-up; none if nobody is enrolled.
    pub fn search(&self, probe: &Template) -> Option<Found<'_, K>> {
        self.search_all(std::slice::from_ref(probe)).pop().flatten()
    }

    /// The same for several probes, in order, in one pass: cheaper for galleries beyond the caches.
    pub fn search_all(&self, probes: &[Template]) -> Vec<Option<Found<'_, K>>> {
        let arch = Arch::new();
        let mut found = vec![None; probes.len()];
        let mut scores = [0f32; BLOCK];
        for segment in &self.segments {
            for (rows, keys) in segment.rows.chunks(BLOCK).zip(segment.keys.chunks(BLOCK)) {
                for (probe, found) in probes.iter().zip(&mut found) {
                    let highest = scan(arch, rows, probe.as_slice(), &mut scores);
                    // Few blocks hold anything of note, so the keys of most are never read.
                    if highest > to_beat(found) {
                        for (key, score) in keys.iter().zip(scores) {
                            if score > to_beat(found) {
                                rank(found, Match { key, score: score.clamp(-1.0, 1.0) });
                            }
                        }
                    }
                }
            }
        }
        found
    }
}

/// Score that a template must beat to change the result.
fn to_beat<K: Copy>(found: &Option<Found<'_, K>>) -> f32 {
    found.and_then(|found| found.runner_up).map_or(f32::NEG_INFINITY, |runner_up| runner_up.score)
}

fn rank<'a, K: Copy + Eq>(found: &mut Option<Found<'a, K>>, new: Match<'a, K>) {
    let Some(Found { best, runner_up }) = found else {
        *found = Some(Found { best: new, runner_up: None });
        return;
    };
    let same_owner = best.key == new.key;
    if new.score > best.score {
        // The previous best is nearer than all others, so it is the nearest with another key.
        if !same_owner {
            *runner_up = Some(*best);
        }
        *best = new;
    } else if !same_owner && runner_up.is_none_or(|runner_up| new.score > runner_up.score) {
        *runner_up = Some(new);
    }
}

impl<K> Default for Gallery<K> {
    fn default() -> Self {
        Self { segments: Vec::new() }
    }
}

impl<K: Copy + Eq> FromIterator<(K, Template)> for Gallery<K> {
    fn from_iter<I: IntoIterator<Item = (K, Template)>>(enrolled: I) -> Self {
        let mut gallery = Self::default();
        enrolled.into_iter().for_each(|(key, template)| gallery.insert(key, &template));
        gallery
    }
}

impl<K> fmt::Debug for Gallery<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gallery({} enrolled)", self.len())
    }
}

#[cfg(test)]
mod tests;
