//! Texts for operators.

use std::fmt;

use super::Rate;
use super::target::{Prediction, Target, Tried, Unsupported};

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 in 10,000", rounded to a rate that isn't smaller.
fn odds(rate: f64) -> String {
    // Slightly more, so that 1 in a whole number stays that number.
    format!("1 in {}", grouped(((1.0 / rate) * (1.0 + 1e-9)).floor().max(1.0) as u64))
}

/// Rate above which no promise is useful.
const USELESS: f64 = 0.1;

fn percent(rate: f64) -> String {
    format!("{:.2} %", rate * 100.0)
}

fn people_enrolled(enrolled: u64) -> String {
    format!("{} enrolled", grouped(enrolled))
}

impl Tried {
    fn in_words(&self) -> String {
        let Rate { trials, independent, errors, .. } = self.rate;
        let let_in =
            if errors == 0 { "none of whom was".to_owned() } else { format!("{} of whom were", grouped(errors)) };
        if self.open_set {
            return format!(
                "{} strangers were tried with {}, {let_in} let in",
                grouped(trials),
                people_enrolled(self.enrolled)
            );
        }
        let alike = match errors {
            0 => "none of which matched".to_owned(),
            errors => format!("{} of which matched", grouped(errors)),
        };
        let counted = if independent < trials {
            format!(" (counted as {}, because more pairs would share people)", grouped(independent))
        } else {
            String::new()
        };
        format!("{} pairs of different people were compared{counted}, {alike}", grouped(trials))
    }
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rate { estimate, interval: [low, high], independent, .. } = self.residents_referred;
        writeln!(f, "Threshold {:.4}, for {}.", self.threshold, people_enrolled(self.enrolled))?;
        writeln!(
            f,
            "Strangers let in: at most {}, with 95 % confidence. In the test on `{}`, {} at this threshold.",
            odds(self.strangers_let_in_at_most),
            self.dataset,
            self.tried.in_words()
        )?;
        writeln!(
            f,
            "Residents sent to the staffed lane: {} (between {} and {}, with 95 % confidence), from comparisons of {} people.",
            percent(estimate),
            percent(low),
            percent(high),
            grouped(independent)
        )?;
        write!(
            f,
            "Assumed: people, cameras and light are like those of `{}`; the rates are those of one comparison. A gate \
             compares each person several times, and several comparisons must agree",
            self.dataset
        )?;
        if self.enrolled > self.tried.enrolled {
            write!(
                f,
                "; with {} instead of {}, strangers are let in more often in proportion (comparisons with different people \
                 taken as independent, ISO/IEC 19795-1)",
                people_enrolled(self.enrolled),
                grouped(self.tried.enrolled)
            )?;
        }
        write!(f, ".")
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { strangers_let_in, enrolled } = self.target;
        let (wanted, enrolled) = (odds(strangers_let_in), people_enrolled(enrolled));
        write!(
            f,
            "the calibration on `{}` can't support the target of at most {wanted} strangers let in with {enrolled}. In its \
             test {} at the highest threshold; with 95 % confidence that leaves room for {} with {}{}.",
            self.dataset,
            self.tried.in_words(),
            odds(self.tried.rate.upper),
            people_enrolled(self.tried.enrolled),
            if self.tried.rate.errors == 0 { " (rule of three: no error in n trials leaves room for 3/n)" } else { "" },
        )?;
        let for_as_many = (self.lowest <= USELESS).then(|| format!("{} with {enrolled}", odds(self.lowest)));
        let for_fewer = self.enough_for.map(|fewer| format!("{wanted} with up to {}", people_enrolled(fewer)));
        let supported: Vec<String> = for_as_many.into_iter().chain(for_fewer).collect();
        if supported.is_empty() {
            write!(f, " With {enrolled} it supports no useful target.")?;
        } else {
            write!(f, " It can support {}.", supported.join(", or "))?;
        }
        write!(
            f,
            " For your target, a test must try {} strangers with {enrolled}, or compare {} pairs of people that share \
             nobody, and find no error.",
            grouped(self.strangers_needed),
            grouped(self.pairs_needed)
        )
    }
}
