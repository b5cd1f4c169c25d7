//! A part of the gallery: templates that lie one after another in memory, and their owners' keys.

use zeroize::{Zeroize, Zeroizing};

use crate::template::Template;

/// Rows in a full segment: 512 KiB, of which a change copies one in less time than the search of a large gallery takes, and
/// the search reads without a stop that could be measured.
pub(super) const CAPACITY: usize = 1024;

/// A template's numbers, on a cache line's boundary: a vector register that is loaded across one costs twice.
#[derive(Zeroize)]
#[repr(align(64))]
pub(super) struct Row(pub(super) [f32; Template::DIMENSIONS]);

/// Overwritten when dropped.
pub(super) struct Segment<K> {
    keys: Vec<K>,
    // At once in its full size: growing would leave copies of templates behind in freed memory.
    rows: Zeroizing<Vec<Row>>,
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

    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(super) fn push(&mut self, key: K, template: &Template) {
        self.push_numbers(key, template.as_slice());
    }

    fn push_numbers(&mut self, key: K, numbers: &[f32]) {
        debug_assert!(!self.is_full());
        self.keys.push(key);
        self.rows.push(Row([0.0; Template::DIMENSIONS]));
        // Copied straight into its place: a row that is moved there would leave a copy on the stack.
        if let Some(row) = self.rows.last_mut() {
            row.0.copy_from_slice(numbers);
        }
    }
}

impl<K: Clone> Segment<K> {
    /// A copy with those rows only.
    pub(super) fn only(&self, wanted: &[bool]) -> Self {
        let mut copy = Self::default();
        for ((key, row), _) in self.keys.iter().zip(self.rows.iter()).zip(wanted).filter(|(_, wanted)| **wanted) {
            copy.push_numbers(key.clone(), &row.0);
        }
        copy
    }

    /// A copy of the rows of both.
    pub(super) fn joined_with(&self, other: &Self) -> Self {
        let mut copy = self.clone();
        for (key, row) in other.keys.iter().zip(other.rows.iter()) {
            copy.push_numbers(key.clone(), &row.0);
        }
        copy
    }
}

impl<K> Default for Segment<K> {
    fn default() -> Self {
        Self { keys: Vec::with_capacity(CAPACITY), rows: Zeroizing::new(Vec::with_capacity(CAPACITY)) }
    }
}

impl<K: Clone> Clone for Segment<K> {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        for (key, row) in self.keys.iter().zip(self.rows.iter()) {
            copy.push_numbers(key.clone(), &row.0);
        }
        copy
    }
}
