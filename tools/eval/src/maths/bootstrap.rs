//! Intervals for comparisons that share people: draws people, not comparisons (the subsets
//! bootstrap of Bolle, Ratha, Pankanti: "Error analysis of pattern recognition systems", 2004).

use super::interval::Interval;
use super::random::Random;

/// A comparison of two people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Impostor {
    /// Cosine, −1 to 1.
    pub(crate) score: f32,
    pub(crate) a: u32,
    pub(crate) b: u32,
}

/// A comparison of two pictures of one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Genuine {
    /// Cosine, −1 to 1.
    pub(crate) score: f32,
    pub(crate) person: u32,
}

/// The design of the comparisons: the number of pictures of each person, by the person's index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Design {
    AllPairs(Vec<u32>),
    /// Every template of the first list with every probe of the second.
    Probes {
        templates: Vec<u32>,
        probes: Vec<u32>,
    },
}

impl Design {
    fn people(&self) -> usize {
        match self {
            Self::AllPairs(pictures) => pictures.len(),
            Self::Probes { templates, .. } => templates.len(),
        }
    }

    /// The numbers of genuine and impostor comparisons, if each person counts `times` times. A
    /// person who is drawn twice is not compared with themselves.
    fn comparisons(&self, weights: &[u32]) -> (f64, f64) {
        match self {
            Self::AllPairs(pictures) => {
                let (mut sum, mut squares, mut genuine) = (0f64, 0f64, 0f64);
                for (pictures, weight) in pictures.iter().zip(weights) {
                    let (n, w) = (f64::from(*pictures), f64::from(*weight));
                    sum += n * w;
                    squares += (n * w).powi(2);
                    genuine += w * n * (n - 1.0).max(0.0) / 2.0;
                }
                (genuine, (sum * sum - squares) / 2.0)
            }
            Self::Probes { templates, probes } => {
                let (mut of_templates, mut of_probes, mut own, mut genuine) = (0f64, 0f64, 0f64, 0f64);
                for ((templates, probes), weight) in templates.iter().zip(probes).zip(weights) {
                    let (t, p, w) = (f64::from(*templates), f64::from(*probes), f64::from(*weight));
                    of_templates += w * t;
                    of_probes += w * p;
                    own += w * w * t * p;
                    genuine += w * t * p;
                }
                (genuine, of_templates * of_probes - own)
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) design: Design,
    /// The highest impostor scores, descending: several times what the highest target allows.
    pub(crate) impostors: Vec<Impostor>,
    /// All genuine scores, in ascending order.
    pub(crate) genuine: Vec<Genuine>,
}

/// 95 % intervals of the false non-match rate where the false match rate is at most each target
/// (ascending). Each draw determines both rates anew, so the interval includes the threshold's
/// uncertainty. `None` if no draw has a genuine comparison.
pub(crate) fn fnmr_intervals(sample: &Sample, targets: &[f64], draws: usize, seed: u64) -> Option<Vec<Interval>> {
    let people = u32::try_from(sample.design.people()).ok().filter(|people| *people > 0)?;
    let mut random = Random::new(seed);
    let mut rates: Vec<Vec<f64>> = vec![Vec::with_capacity(draws); targets.len()];
    let mut weights = vec![0u32; sample.design.people()];
    for _ in 0..draws {
        weights.fill(0);
        (0..people).for_each(|_| weights[random.below(people) as usize] += 1);
        // A draw without genuine comparisons gives no rate.
        let Some(drawn) = fnmr_of_draw(sample, &weights, targets) else { continue };
        rates.iter_mut().zip(drawn).for_each(|(rates, rate)| rates.push(rate));
    }
    rates.into_iter().map(|rates| middle(rates, 0.95)).collect()
}

fn fnmr_of_draw(sample: &Sample, weights: &[u32], targets: &[f64]) -> Option<Vec<f64>> {
    let weight = |person: u32| weights.get(person as usize).map_or(0, |weight| u64::from(*weight));
    let (genuine, impostors) = sample.design.comparisons(weights);
    if genuine == 0.0 {
        return None;
    }
    // Scores above the limit, the first score that would exceed the target, are accepted.
    let mut limits = Vec::with_capacity(targets.len());
    let mut tail = sample.impostors.iter();
    let mut accepted = 0;
    let mut next = tail.next();
    for target in targets {
        let allowed = (target * impostors + 1e-6) as u64;
        let mut limit = f32::NEG_INFINITY;
        while let Some(impostor) = next {
            let more = accepted + weight(impostor.a) * weight(impostor.b);
            limit = impostor.score;
            if more > allowed {
                break;
            }
            accepted = more;
            next = tail.next();
        }
        limits.push(limit);
    }
    let mut below = 0;
    let mut genuines = sample.genuine.iter().peekable();
    let mut rates = vec![0.0; targets.len()];
    // A higher target has a lower limit.
    for (rate, limit) in rates.iter_mut().zip(&limits).rev() {
        while let Some(genuine) = genuines.next_if(|genuine| genuine.score <= *limit) {
            below += weight(genuine.person);
        }
        *rate = below as f64 / genuine;
    }
    Some(rates)
}

/// The central interval that contains this share of the values.
fn middle(mut values: Vec<f64>, share: f64) -> Option<Interval> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |quantile: f64| values[(quantile * last as f64).round() as usize];
    let out = (1.0 - share) / 2.0;
    Some(Interval { low: at(out), high: at(1.0 - out) })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Four people, two pictures each; genuine scores 0.2 (person 0), 0.6, 0.7, 0.8; every impostor
    // score is its own.
    fn sample() -> Sample {
        let mut impostors: Vec<Impostor> = (0..4u32)
            .flat_map(|a| (a + 1..4).flat_map(move |b| (0..4).map(move |i| (a, b, i))))
            .enumerate()
            .map(|(n, (a, b, _))| Impostor { score: 0.5 - n as f32 / 100.0, a, b })
            .collect();
        impostors.sort_by(|x, y| y.score.total_cmp(&x.score));
        let genuine = [0.2, 0.6, 0.7, 0.8].into_iter().zip(0..).map(|(score, person)| Genuine { score, person });
        Sample { design: Design::AllPairs(vec![2; 4]), impostors, genuine: genuine.collect() }
    }

    #[test]
    fn everybody_once_is_the_plain_rate() {
        // 24 impostor comparisons: a tenth allows two, so 0.48 is the first refused; a half allows
        // twelve.
        let rates = fnmr_of_draw(&sample(), &[1; 4], &[0.1, 0.5]).expect("genuine comparisons");
        assert_eq!(rates, [0.25, 0.25]);
        // All are allowed: the threshold is the lowest kept score.
        let rates = fnmr_of_draw(&sample(), &[1; 4], &[1.0]).expect("genuine comparisons");
        assert_eq!(rates, [0.25]);
    }

    #[test]
    fn a_person_drawn_twice_counts_twice() {
        let rates = fnmr_of_draw(&sample(), &[2, 1, 1, 0], &[0.1]).expect("genuine comparisons");
        assert_eq!(rates, [0.5]);
        assert_eq!(fnmr_of_draw(&sample(), &[0; 4], &[0.1]), None);
    }

    #[test]
    fn comparisons_are_counted_by_their_design() {
        // 1·2 + 1·3 + 2·3 pairs of different people, 0 + 1 + 3 of the same.
        assert_eq!(Design::AllPairs(vec![1, 2, 3]).comparisons(&[1, 1, 1]), (4.0, 11.0));
        // The third twice, the first not: 2·3 pairs with either of the two selves.
        assert_eq!(Design::AllPairs(vec![1, 2, 3]).comparisons(&[0, 1, 2]), (7.0, 12.0));
        let probes = Design::Probes { templates: vec![1, 1, 0], probes: vec![2, 0, 5] };
        assert_eq!(probes.comparisons(&[1, 1, 1]), (2.0, 12.0));
        assert_eq!(probes.comparisons(&[2, 1, 0]), (4.0, 4.0));
    }

    #[test]
    fn the_interval_holds_the_rate_and_repeats_with_its_seed() {
        let intervals = fnmr_intervals(&sample(), &[0.1, 0.5], 500, 1).expect("genuine comparisons");
        for interval in &intervals {
            assert!(interval.low == 0.0 && interval.high >= 0.5 && interval.high < 1.0, "{interval:?}");
        }
        assert_eq!(fnmr_intervals(&sample(), &[0.1, 0.5], 500, 1), Some(intervals));
    }
}
