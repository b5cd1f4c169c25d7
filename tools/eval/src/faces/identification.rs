//! Open-set identification: a part of the people is enrolled, and all people are searched for.

use std::collections::BTreeMap;

use gatehouse_faces::Template;

use crate::comparisons::{Templates, search};
use crate::maths::interval::{interval, rate};
use crate::maths::random::lot;
use crate::maths::scores::ScoreCounts;
use gatehouse_faces::calibration::trials_to_show;

use super::report::{FPIR_TARGETS, FnirAt, Identification, target};

/// Number of gallery sizes for strangers; each is half of the next.
const GALLERY_SIZES: usize = 6;

#[derive(Debug)]
pub(crate) struct Subject<'e> {
    /// Index among all people.
    pub(crate) person: u32,
    /// Only for the random choice.
    pub(crate) name: &'e str,
    pub(crate) template: Option<&'e Template>,
    /// Probes: pictures from which the template was not computed.
    pub(crate) probes: Vec<&'e Template>,
    /// Probes if the person is a stranger: all pictures.
    pub(crate) all: Vec<&'e Template>,
}

/// All people without a template or a probe and, up to half of all, others by random choice.
fn strangers(subjects: &[Subject<'_>], seed: u64) -> Vec<bool> {
    let mut out: Vec<bool> =
        subjects.iter().map(|subject| subject.template.is_none() || subject.probes.is_empty()).collect();
    let mut others: Vec<usize> = (0..subjects.len()).filter(|subject| !out[*subject]).collect();
    others.sort_by_key(|subject| (lot(seed, subjects[*subject].name.as_bytes()), *subject));
    let wanted = (subjects.len() / 2).saturating_sub(subjects.len() - others.len());
    others.into_iter().take(wanted).for_each(|subject| out[subject] = true);
    out
}

/// Searches the gallery with every probe.
pub(crate) fn identify(
    subjects: &[Subject<'_>],
    enrolled_pictures: usize,
    seed: u64,
    threads: usize,
    notes: &mut Vec<String>,
) -> (BTreeMap<&'static str, Option<FnirAt>>, Identification) {
    let stranger = strangers(subjects, seed);
    let of =
        |wanted: bool| subjects.iter().zip(&stranger).filter(move |(_, is)| **is == wanted).map(|(subject, _)| subject);
    let gallery = Templates::new(of(false).filter_map(|s| Some((s.person, s.template?))));
    let mated = Templates::new(of(false).flat_map(|s| s.probes.iter().map(move |probe| (s.person, *probe))));
    let non_mated = Templates::new(of(true).flat_map(|s| s.all.iter().map(move |probe| (s.person, *probe))));

    let mut counts = ScoreCounts::default();
    let mut first = 0;
    if gallery.len() > 0 {
        for (row, found) in search(&mated, &gallery, threads).into_iter().enumerate() {
            let right = found.person == mated.people[row];
            first += u64::from(right);
            // Another person at rank 1 is a miss at any threshold.
            counts.add_genuine(if right { found.score } else { -1.0 });
        }
        search(&non_mated, &gallery, threads).into_iter().for_each(|found| counts.add_impostor(found.score));
    }
    let (mated_searches, non_mated_searches) = (counts.genuine_total(), counts.impostor_total());
    let fnir_at_fpir = FPIR_TARGETS
        .into_iter()
        .map(|key| {
            let at = counts.at_false_match_rate(target(key)).and_then(|errors| {
                Some(FnirAt {
                    fnir: rate(errors.false_non_matches, mated_searches)?,
                    threshold: errors.threshold,
                    fpir: rate(errors.false_matches, non_mated_searches)?,
                    misses: errors.false_non_matches,
                    false_positives: errors.false_matches,
                    interval: interval(errors.false_non_matches, mated_searches),
                })
            });
            if at.is_none() {
                notes.push(format!(
                    "fnir_at_fpir {key} is null: it needs {} searches with strangers and one with an enrolled person at least \
                     (rule of three); there are {non_mated_searches} and {mated_searches}",
                    trials_to_show(target(key))
                ));
            }
            (key, at)
        })
        .collect();
    let identification = Identification {
        gallery: gallery.len(),
        enrolled_pictures,
        strangers: stranger.iter().filter(|is| **is).count(),
        mated_searches,
        non_mated_searches,
        rank_one: rate(first, mated_searches),
        seed,
        best_of_strangers: best_of_strangers(&gallery, &non_mated, threads),
        counts,
    };
    (fnir_at_fpir, identification)
}

/// Best scores of each stranger's first picture by gallery size, ascending; galleries are nested.
fn best_of_strangers(gallery: &Templates, non_mated: &Templates, threads: usize) -> Vec<(u64, Vec<f32>)> {
    let firsts: Vec<usize> =
        (0..non_mated.len()).filter(|row| *row == 0 || non_mated.people[row - 1] != non_mated.people[*row]).collect();
    let probes = non_mated.select(&firsts);
    let halves = std::iter::successors(Some(gallery.len()), |size| Some(size / 2)).take_while(|size| *size > 0);
    let mut sizes: Vec<usize> = halves.take(GALLERY_SIZES).collect();
    sizes.reverse();
    sizes
        .into_iter()
        .filter(|_| probes.len() > 0)
        .map(|size| {
            // People are ordered by name, which is independent of their faces.
            let part = gallery.select(&(0..size).collect::<Vec<_>>());
            (size as u64, search(&probes, &part, threads).into_iter().map(|found| found.score).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(angle: f32) -> Template {
        let mut values = [0.0; 128];
        (values[0], values[1]) = (angle.cos(), angle.sin());
        Template::from_slice(&values).expect("a direction")
    }

    fn subject<'e>(
        person: u32,
        name: &'e str,
        template: Option<&'e Template>,
        probes: Vec<&'e Template>,
    ) -> Subject<'e> {
        Subject { person, name, template, all: probes.clone(), probes }
    }

    #[test]
    fn strangers_are_the_unenrolled_and_then_half_at_random() {
        let e = at(0.0);
        let names: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
        let mut subjects: Vec<_> =
            names.iter().zip(0..).map(|(name, n)| subject(n, name, Some(&e), vec![&e])).collect();
        subjects[3].template = None;
        subjects[4].probes.clear();
        let out = strangers(&subjects, 1);
        assert!(out[3] && out[4]);
        assert_eq!(out.iter().filter(|is| **is).count(), 10);
        assert_eq!(out, strangers(&subjects, 1));
        assert_ne!(out, strangers(&subjects, 2));
        subjects.iter_mut().take(15).for_each(|subject| subject.template = None);
        assert_eq!(strangers(&subjects, 1).iter().filter(|is| **is).count(), 15, "nobody more");
    }

    #[test]
    fn another_person_at_rank_one_is_a_miss() {
        let (own, other) = (at(0.1), at(1.0));
        // Person 0 is found, person 1's picture looks like person 0; two strangers are far from
        // both.
        let strange = at(3.0);
        let (first, second) = (at(0.0), at(1.1));
        let subjects = [
            subject(0, "a", Some(&first), vec![&own]),
            subject(1, "b", Some(&second), vec![&own, &other]),
            subject(2, "c", None, vec![&strange]),
            subject(3, "d", None, vec![&strange; 40]),
        ];
        let mut notes = Vec::new();
        let (rates, facts) = identify(&subjects, 1, 0, 1, &mut notes);
        assert_eq!((facts.gallery, facts.strangers, facts.mated_searches, facts.non_mated_searches), (2, 2, 3, 41));
        assert_eq!(facts.rank_one, Some(2.0 / 3.0));
        let tried: Vec<(u64, usize)> = facts.best_of_strangers.iter().map(|(size, best)| (*size, best.len())).collect();
        assert_eq!(tried, [(1, 2), (2, 2)], "each stranger once with each size");
        let one_in_ten = rates["1e-1"].expect("41 searches");
        assert_eq!((one_in_ten.misses, one_in_ten.fnir), (1, 1.0 / 3.0));
        assert_eq!(rates["1e-2"], None);
        assert!(notes[0].starts_with("fnir_at_fpir 1e-2 is null: it needs 299 searches with strangers"), "{notes:?}");
    }
}
