//! Counts allocations. The tests of the model crates and of `gatehouse-crowd` include this file.

/// Allocations of one run after three runs of warm-up.
pub(super) fn allocations_of(mut again: impl FnMut()) -> u64 {
    (0..3).for_each(|_| again());
    let [first, second] = [(); 2].map(|()| allocation_counter::measure(&mut again).count_total);
    assert_eq!(first, second, "two runs differ");
    first
}

#[test]
fn allocations_are_counted() {
    assert_eq!(allocations_of(|| drop(std::hint::black_box(Box::new([0u8; 9])))), 1);
    assert_eq!(allocations_of(|| drop(std::hint::black_box(vec![0u8; 9]))), 1);
}
