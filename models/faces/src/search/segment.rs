//! A segment of a gallery: contiguous templates and their owners' keys.

use zeroize::{Zeroize, Zeroizing};

use crate::template::Template;

/// Rows of a full segment (512 KiB). Copying one is faster than a search of a large gallery, and
/// the boundaries don't slow the search measurably.
pub(super) const CAPACITY: usize = 1024;

/// A template's numbers, aligned to cache lines: a load across two lines costs twice.
#[derive(Zeroize)]
#[repr(align(64))]
pub(super) struct Row(pub(super) [f32; Template::DIMENSIONS]);

/// Overwritten when dropped.
pub(super) struct Segment<K> {
    pub(super) keys: Vec<K>,
    // Allocated at full size, because growing would leave copies of templates in freed memory.
    pub(super) rows: Zeroizing<Vec<Row>>,
}

impl<K> Segment<K> {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= CAPACITY
    }

    pub(super) fn is_half_empty(&self) -> bool {
        self.len() <= CAPACITY / 2
    }

    pub(super) fn push(&mut self, key: K, template: &Template) {
        self.push_numbers(key, template.as_slice());
    }

    fn push_numbers(&mut self, key: K, numbers: &[f32]) {
        debug_assert!(!self.is_full());
        self.keys.push(key);
        self.rows.push(Row([0.0; Template::DIMENSIONS]));
        // Copied in place, because moving a row would leave a copy on the stack.
        if let Some(row) = self.rows.last_mut() {
            row.0.copy_from_slice(numbers);
        }
    }
}

impl<K: Copy> Segment<K> {
    pub(super) fn only(&self, wanted: &[bool]) -> Self {
        let mut copy = Self::default();
        for ((key, row), _) in self.keys.iter().zip(self.rows.iter()).zip(wanted).filter(|(_, wanted)| **wanted) {
            copy.push_numbers(*key, &row.0);
        }
        copy
    }

    pub(super) fn joined_with(&self, other: &Self) -> Self {
        let mut copy = self.clone();
        for (key, row) in other.keys.iter().zip(other.rows.iter()) {
            copy.push_numbers(*key, &row.0);
        }
        copy
    }
}

impl<K> Default for Segment<K> {
    fn default() -> Self {
        Self { keys: Vec::with_capacity(CAPACITY), rows: Zeroizing::new(Vec::with_capacity(CAPACITY)) }
    }
}

impl<K: Copy> Clone for Segment<K> {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        for (key, row) in self.keys.iter().zip(self.rows.iter()) {
            copy.push_numbers(*key, &row.0);
        }
        copy
    }
}
