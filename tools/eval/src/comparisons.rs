//! All comparisons among templates, as products of matrices in blocks, which bounds the memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use gatehouse_faces::Template;
use ndarray::{ArrayView2, Axis, Slice};
use zeroize::Zeroizing;

use crate::maths::bootstrap::{Design, Genuine, Impostor, Sample};
use crate::maths::scores::ScoreCounts;

/// Rows of a block: 256 × 256 scores fit into a core's cache.
const BLOCK: usize = 256;

/// Templates, ordered by person. Dropping overwrites them.
pub(crate) struct Templates {
    rows: Zeroizing<Vec<f32>>,
    /// The person of each row.
    pub(crate) people: Vec<u32>,
}

impl Templates {
    pub(crate) fn new<'e>(templates: impl Iterator<Item = (u32, &'e Template)> + Clone) -> Self {
        let people: Vec<u32> = templates.clone().map(|(person, _)| person).collect();
        // Allocated in full size, because growing would leave copies in freed memory.
        let mut rows = Zeroizing::new(Vec::with_capacity(people.len() * Template::DIMENSIONS));
        templates.for_each(|(_, template)| rows.extend_from_slice(template.as_slice()));
        Self { rows, people }
    }

    pub(crate) fn len(&self) -> usize {
        self.people.len()
    }

    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let mut values = Zeroizing::new(Vec::with_capacity(rows.len() * Template::DIMENSIONS));
        let row = |row: usize| &self.rows[row * Template::DIMENSIONS..(row + 1) * Template::DIMENSIONS];
        rows.iter().for_each(|one| values.extend_from_slice(row(*one)));
        Self { rows: values, people: rows.iter().map(|row| self.people[*row]).collect() }
    }

    /// The number of templates of each of `people` people.
    fn of_each(&self, people: usize) -> Vec<u32> {
        let mut counts = vec![0; people];
        self.people.iter().for_each(|person| counts[*person as usize] += 1);
        counts
    }

    fn block(&self, from: usize) -> ArrayView2<'_, f32> {
        let mut all = ArrayView2::from_shape((self.people.len(), Template::DIMENSIONS), &self.rows)
            .unwrap_or_else(|_| unreachable!("made with this many numbers"));
        all.slice_axis_inplace(Axis(0), Slice::from(from..(from + BLOCK).min(self.people.len())));
        all
    }
}

/// Computes the scores of every row of `a` with every row of `b`, a part of a row at a time:
/// `visit(state, row of a, first row of b, scores)`. Each thread has a state. With `later_only` a
/// row is compared only with later rows (for `a` = `b`).
fn for_rows<S: Send>(
    a: &Templates,
    b: &Templates,
    later_only: bool,
    threads: usize,
    new: impl Fn() -> S + Sync,
    visit: impl Fn(&mut S, usize, usize, &[f32]) + Sync,
) -> Vec<S> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut state = new();
        loop {
            let start = next.fetch_add(BLOCK, Ordering::Relaxed);
            if start >= a.len() {
                return state;
            }
            let left = a.block(start);
            let mut from = if later_only { start } else { 0 };
            while from < b.len() {
                let right = b.block(from);
                let scores = left.dot(&right.t());
                for (i, row) in scores.outer_iter().enumerate() {
                    let row = row.to_slice().unwrap_or_else(|| unreachable!("a fresh product lies in one piece"));
                    let skip = if later_only { (start + i + 1).saturating_sub(from).min(row.len()) } else { 0 };
                    visit(&mut state, start + i, from + skip, &row[skip..]);
                }
                from += BLOCK;
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|e| std::panic::resume_unwind(e))).collect()
    })
}

/// Clamps a product of unit vectors, which rounding may put beyond 1.
fn within(score: f32) -> f32 {
    score.clamp(-1.0, 1.0)
}

#[derive(Clone, Copy)]
pub(crate) enum Plan<'t> {
    AllPairs(&'t Templates),
    /// Every probe with every template.
    Probes {
        probes: &'t Templates,
        templates: &'t Templates,
    },
}

impl Plan<'_> {
    fn for_rows<S: Send>(
        &self,
        threads: usize,
        new: impl Fn() -> S + Sync,
        visit: impl Fn(&mut S, u32, &[u32], &[f32]) + Sync,
    ) -> Vec<S> {
        let (a, b, later_only) = match self {
            Self::AllPairs(templates) => (*templates, *templates, true),
            Self::Probes { probes, templates } => (*probes, *templates, false),
        };
        for_rows(a, b, later_only, threads, new, |state, row, first, scores| {
            visit(state, a.people[row], &b.people[first..], scores);
        })
    }

    fn design(&self, people: usize) -> Design {
        match self {
            Self::AllPairs(templates) => Design::AllPairs(templates.of_each(people)),
            Self::Probes { probes, templates } => {
                Design::Probes { templates: templates.of_each(people), probes: probes.of_each(people) }
            }
        }
    }

    pub(crate) fn count(&self, threads: usize) -> ScoreCounts {
        let parts = self.for_rows(threads, ScoreCounts::default, |counts, own, people, scores| {
            for (score, person) in scores.iter().zip(people) {
                if *person == own {
                    counts.add_genuine(within(*score));
                } else {
                    counts.add_impostor(within(*score));
                }
            }
        });
        let mut all = ScoreCounts::default();
        parts.iter().for_each(|part| all.merge(part));
        all
    }

    /// For the bootstrap: all genuine scores, and impostor scores from `impostors_from` on.
    pub(crate) fn sample(&self, people: usize, impostors_from: f32, threads: usize) -> Sample {
        let new = || (Vec::new(), Vec::new());
        let parts = self.for_rows(threads, new, |(genuine, impostors), own, people, scores| {
            for (score, person) in scores.iter().zip(people) {
                let score = within(*score);
                if *person == own {
                    genuine.push(Genuine { score, person: own });
                } else if score >= impostors_from {
                    impostors.push(Impostor { score, a: own, b: *person });
                }
            }
        });
        let (mut genuine, mut impostors) = (Vec::new(), Vec::new());
        for (g, i) in parts {
            genuine.extend(g);
            impostors.extend(i);
        }
        // Ordered by the people too, so that the order does not depend on the threads.
        genuine.sort_unstable_by(|x: &Genuine, y| x.score.total_cmp(&y.score).then(x.person.cmp(&y.person)));
        impostors.sort_unstable_by(|x: &Impostor, y| y.score.total_cmp(&x.score).then((x.a, x.b).cmp(&(y.a, y.b))));
        Sample { design: self.design(people), impostors, genuine }
    }
}

/// The best match of a search, and the score of the searched person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    pub(crate) person: u32,
    pub(crate) score: f32,
}

/// The best match in the gallery for each probe. The gallery must not be empty.
pub(crate) fn search(probes: &Templates, gallery: &Templates, threads: usize) -> Vec<Found> {
    let nobody = Found { person: u32::MAX, score: f32::NEG_INFINITY };
    let parts =
        for_rows(probes, gallery, false, threads, Vec::new, |found: &mut Vec<(usize, Found)>, row, first, scores| {
            for (score, person) in scores.iter().zip(&gallery.people[first..]) {
                match found.last_mut() {
                    Some((last, best)) if *last == row => {
                        if *score > best.score {
                            *best = Found { person: *person, score: within(*score) };
                        }
                    }
                    _ => found.push((row, Found { person: *person, score: within(*score) })),
                }
            }
        });
    let mut best = vec![nobody; probes.len()];
    // Each block adds an entry for a row, so a row may have several.
    for (row, found) in parts.into_iter().flatten() {
        if found.score > best[row].score {
            best[row] = found;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::random::Random;

    // 700 templates of 100 people: more than two blocks, with people whose pictures are in two
    // blocks.
    fn people() -> Vec<(u32, Template)> {
        let mut random = Random::new(11);
        let mut direction = |of: &[f32], spread: f32| {
            let noise = (0..128).map(|_| spread * (random.below(2001) as f32 / 1000.0 - 1.0));
            let values: Vec<f32> =
                noise.zip(of.iter().copied().chain(std::iter::repeat(0.0))).map(|(n, c)| n + c).collect();
            Template::from_slice(&values).expect("a direction")
        };
        (0..100u32)
            .flat_map(|person| {
                let centre = direction(&[], 1.0);
                (0..7).map(|_| (person, direction(centre.as_slice(), 0.1))).collect::<Vec<_>>()
            })
            .collect()
    }

    fn templates(people: &[(u32, Template)]) -> Templates {
        Templates::new(people.iter().map(|(person, template)| (*person, template)))
    }

    #[test]
    fn blocks_count_every_pair_once() {
        let people = people();
        let counts = Plan::AllPairs(&templates(&people)).count(2);
        assert_eq!(counts.genuine_total(), 100 * 21);
        assert_eq!(counts.impostor_total(), 700 * 699 / 2 - 100 * 21);
        let mut plain = ScoreCounts::default();
        for (i, (p, a)) in people.iter().enumerate() {
            for (q, b) in &people[..i] {
                if p == q { plain.add_genuine(a.cosine(b)) } else { plain.add_impostor(a.cosine(b)) }
            }
        }
        for threshold in [-0.1, 0.0, 0.1, 0.2, 0.5, 0.7] {
            let (blocks, sequential) = (counts.at(threshold), plain.at(threshold));
            // Sums in another order may put a score on the other side of the threshold's bin.
            assert!(blocks.false_matches.abs_diff(sequential.false_matches) <= 2, "{blocks:?} {sequential:?}");
            assert!(blocks.false_non_matches.abs_diff(sequential.false_non_matches) <= 2);
        }
    }

    #[test]
    fn a_sample_is_the_same_for_any_number_of_threads() {
        let templates = templates(&people());
        let plan = Plan::AllPairs(&templates);
        let (one, two) = (plan.sample(100, 0.1, 1), plan.sample(100, 0.1, 2));
        assert_eq!((&one.genuine, &one.impostors), (&two.genuine, &two.impostors));
        assert_eq!(one.genuine.len(), 2100);
        assert_eq!(one.design, Design::AllPairs(vec![7; 100]));
        let above = plan.count(1).at(0.1).false_matches;
        assert!(above.abs_diff(one.impostors.len() as u64) <= 2);
        assert!(one.impostors.windows(2).all(|pair| pair[0].score >= pair[1].score));
    }

    #[test]
    fn probes_meet_every_template() {
        let people = people();
        let plan = Plan::Probes { probes: &templates(&people[..350]), templates: &templates(&people[343..]) };
        let counts = plan.count(2);
        // Person 49 has seven probes and seven templates.
        assert_eq!((counts.genuine_total(), counts.impostor_total()), (49, 350 * 357 - 49));
        let Design::Probes { templates, probes } = plan.sample(100, 0.9, 1).design else { panic!("of probes") };
        assert_eq!((templates[48..51].to_vec(), probes[48..51].to_vec()), (vec![0, 7, 7], vec![7, 7, 0]));
    }

    #[test]
    fn a_search_finds_the_nearest() {
        let people = people();
        let (probes, gallery): (Vec<_>, Vec<_>) = people.into_iter().enumerate().partition(|(i, _)| i % 7 == 0);
        let strip = |list: Vec<(usize, (u32, Template))>| list.into_iter().map(|(_, one)| one).collect::<Vec<_>>();
        let (probes, gallery) = (strip(probes), strip(gallery));
        let found = search(&templates(&probes), &templates(&gallery), 2);
        for ((_, probe), found) in probes.iter().zip(&found) {
            let best = gallery.iter().map(|(p, e)| (e.cosine(probe), *p)).max_by(|a, b| a.0.total_cmp(&b.0));
            let (score, person) = best.expect("a gallery");
            assert_eq!(person, found.person);
            assert!((score - found.score).abs() < 1e-6);
        }
    }
}
