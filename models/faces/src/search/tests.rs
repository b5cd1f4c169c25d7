use proptest::prelude::*;

use super::segment::CAPACITY;
use super::*;

fn template(numbers: &[(usize, f32)]) -> Template {
    let mut values = [0.0; Template::DIMENSIONS];
    numbers.iter().for_each(|(index, value)| values[*index] = *value);
    Template::from_slice(&values).expect("a direction")
}

/// Different for different seeds, the same for the same.
fn drawn(seed: u32) -> Template {
    let mut state = seed.wrapping_mul(2_654_435_769).wrapping_add(1);
    let values: Vec<f32> = (0..Template::DIMENSIONS)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Template::from_slice(&values).expect("a direction")
}

/// A key and its score.
type Scored = (u32, f32);

/// Best and runner-up straight from the definition: all scores, sorted.
fn naive(enrolled: &[(u32, Template)], probe: &Template) -> Option<(Scored, Option<Scored>)> {
    let mut all: Vec<(u32, f32)> = enrolled.iter().map(|(key, row)| (*key, row.cosine(probe))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    let best = *all.first()?;
    Some((best, all.into_iter().find(|(key, _)| *key != best.0)))
}

fn check(gallery: &Gallery<u32>, enrolled: &[(u32, Template)], probe: &Template) {
    assert_eq!(gallery.len(), enrolled.len());
    let found = gallery.search(probe);
    let expected = naive(enrolled, probe);
    assert_eq!(found.is_some(), expected.is_some());
    let (Some(found), Some((best, runner_up))) = (found, expected) else { return };
    // By score, not by key: of two that are equal but for the last digit either may be found.
    let score_of = |key: u32| {
        enrolled.iter().filter(|(k, _)| *k == key).map(|(_, t)| t.cosine(probe)).fold(f32::NEG_INFINITY, f32::max)
    };
    assert!((found.best.score - best.1).abs() < 1e-5 && (score_of(*found.best.key) - best.1).abs() < 1e-5);
    assert_eq!(found.runner_up.is_some(), runner_up.is_some());
    if let (Some(found_second), Some(second)) = (found.runner_up, runner_up) {
        assert_ne!(found_second.key, found.best.key);
        assert!((found_second.score - second.1).abs() < 1e-5, "{} {}", found_second.score, second.1);
        assert!((score_of(*found_second.key) - second.1).abs() < 1e-5);
    }
}

#[test]
fn an_empty_gallery_matches_nobody() {
    let gallery = Gallery::<u8>::default();
    assert_eq!(gallery.search(&drawn(1)), None);
    assert_eq!(gallery.search_all(&[]), []);
    assert!(gallery.is_empty());
}

#[test]
fn of_equals_the_first_is_found_and_debug_shows_no_key() {
    let probe = drawn(1);
    let gallery: Gallery<&str> = [("ada", probe.clone()), ("bob", probe.clone())].into_iter().collect();
    let found = gallery.search(&probe).expect("two are enrolled");
    assert_eq!((*found.best.key, found.runner_up.map(|second| *second.key)), ("ada", Some("bob")));
    assert!(found.best.score > 0.999 && found.best.score <= 1.0);
    assert_eq!(format!("{gallery:?}"), "Gallery(2 enrolled)");
}

#[test]
fn the_runner_up_is_somebody_else() {
    let probe = template(&[(0, 1.0)]);
    let at = |side: f32| template(&[(0, 1.0), (1, side)]);
    // In every order: the person's own further pictures must never pass for the nearest stranger.
    let enrolled = [("ada", at(0.1)), ("ada", at(0.2)), ("bob", at(0.5)), ("cyd", at(0.9))];
    for first in 0..4 {
        let mut order = enrolled.to_vec();
        order.rotate_left(first);
        let gallery: Gallery<&str> = order.into_iter().collect();
        let found = gallery.search(&probe).expect("four are enrolled");
        assert_eq!((*found.best.key, found.runner_up.map(|second| *second.key)), ("ada", Some("bob")));
    }
    let alone: Gallery<&str> = enrolled[..2].iter().cloned().collect();
    assert_eq!(alone.search(&probe).expect("one is enrolled").runner_up, None);
}

#[test]
fn a_version_is_left_as_it_was_and_shares_what_was_not_touched() {
    let enrolled: Vec<(u32, Template)> = (0..3 * CAPACITY as u32 + 10).map(|i| (i, drawn(i))).collect();
    let old: Gallery<u32> = enrolled.iter().cloned().collect();
    let mut new = old.clone();
    assert_eq!(new.remove_if(|key| *key == 5), 1);
    new.insert(99_999, &drawn(99_999));
    assert_eq!((old.len(), new.len()), (enrolled.len(), enrolled.len()));
    let shared: Vec<bool> = old.segments.iter().zip(&new.segments).map(|(a, b)| Arc::ptr_eq(a, b)).collect();
    assert_eq!(shared, [false, true, true, false]);
    let score = |gallery: &Gallery<u32>, of: u32| gallery.search(&drawn(of)).expect("enrolled").best.score;
    assert!(score(&old, 5) > 0.999 && score(&new, 5) < 0.9);
    assert!(score(&old, 99_999) < 0.9 && score(&new, 99_999) > 0.999);
}

// Half-empty segments would cost memory and reading for ever.
#[test]
fn what_is_left_after_many_removals_lies_close_together() {
    let mut gallery: Gallery<u32> = (0..8 * CAPACITY as u32).map(|i| (i, drawn(i))).collect();
    assert_eq!(gallery.segments.len(), 8);
    assert_eq!(gallery.remove_if(|key| key % 8 != 0), 7 * CAPACITY);
    assert_eq!(gallery.len(), CAPACITY);
    assert!(gallery.segments.len() <= 2, "{}", gallery.segments.len());
    assert_eq!(gallery.search(&drawn(16)).map(|found| *found.best.key), Some(16));
    assert_eq!(gallery.remove_if(|_| true), CAPACITY);
    assert!(gallery.is_empty() && gallery.segments.is_empty());
}

#[test]
fn several_probes_find_what_each_would_alone() {
    let gallery: Gallery<u32> = (0..2 * CAPACITY as u32 + 77).map(|i| (i % 900, drawn(i))).collect();
    let probes: Vec<Template> = (0..5).map(|i| drawn(10_000 + i)).chain([drawn(700)]).collect();
    let together = gallery.search_all(&probes);
    let alone: Vec<_> = probes.iter().map(|probe| gallery.search(probe)).collect();
    assert_eq!(together, alone);
}

#[derive(Debug, Clone)]
enum Change {
    Insert { key: u32, seed: u32, times: u32 },
    Remove(u32),
    RemoveEvery { modulus: u32, rest: u32 },
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        // Enough at a time to go over the edge of a segment now and then.
        (0u32..40, any::<u32>(), prop_oneof![Just(1u32), Just(500)]).prop_map(|(key, seed, times)| Change::Insert {
            key,
            seed,
            times
        }),
        (0u32..40).prop_map(Change::Remove),
        (2u32..5, 0u32..5).prop_map(|(modulus, rest)| Change::RemoveEvery { modulus, rest }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_search_equals_a_naive_one(
        seeds in prop::collection::vec((0u32..20, any::<u32>()), 0..600), probe: u32,
    ) {
        let enrolled: Vec<(u32, Template)> = seeds.iter().map(|(key, seed)| (*key, drawn(*seed))).collect();
        check(&enrolled.iter().cloned().collect(), &enrolled, &drawn(probe));
    }

    #[test]
    fn after_any_changes_every_version_equals_a_fresh_gallery(
        changes in prop::collection::vec(change(), 1..14), probe: u32,
    ) {
        let (mut gallery, mut enrolled) = (Gallery::default(), Vec::<(u32, Template)>::new());
        let mut versions = vec![];
        for change in changes {
            match change {
                Change::Insert { key, seed, times } => {
                    for time in 0..times {
                        let template = drawn(seed.wrapping_add(time));
                        gallery.insert(key + time % 3, &template);
                        enrolled.push((key + time % 3, template));
                    }
                }
                Change::Remove(key) => {
                    let before = enrolled.len();
                    enrolled.retain(|(k, _)| *k != key);
                    prop_assert_eq!(gallery.remove_if(|k| *k == key), before - enrolled.len());
                }
                Change::RemoveEvery { modulus, rest } => {
                    enrolled.retain(|(k, _)| k % modulus != rest);
                    gallery.remove_if(|k| k % modulus == rest);
                }
            }
            versions.push((gallery.clone(), enrolled.clone()));
        }
        let probe = drawn(probe);
        for (gallery, enrolled) in &versions {
            check(gallery, enrolled, &probe);
            let fresh: Gallery<u32> = enrolled.iter().cloned().collect();
            prop_assert_eq!(gallery.search(&probe), fresh.search(&probe));
        }
    }
}
