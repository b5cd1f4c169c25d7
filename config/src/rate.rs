//! A rate in plain language: "1 in 10000".

use std::fmt;

/// The largest number after "1 in".
const MOST: u64 = 1_000_000_000;

/// A rate of one in N, N from 2 to 1,000,000,000. Written `1 in N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OneIn(u64);

impl OneIn {
    /// The number after "1 in".
    pub fn get(self) -> u64 {
        self.0
    }

    /// The rate as a number between 0 and 1.
    pub fn as_f64(self) -> f64 {
        // At most 1e9, so exact.
        1.0 / self.0 as f64
    }

    /// Reads `1 in N`; commas may group N by threes. `None` if the text is no such rate.
    pub(crate) fn parse(text: &str) -> Option<OneIn> {
        let number = text.strip_prefix("1 in ")?;
        let mut groups = number.split(',');
        let first = groups.next()?;
        let rest: Vec<&str> = groups.collect();
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let grouped = rest.is_empty() || first.len() <= 3 && rest.iter().all(|group| group.len() == 3);
        if !grouped || first.starts_with('0') || !is_digits(first) || !rest.iter().all(|group| is_digits(group)) {
            return None;
        }
        let one_in = number.replace(',', "").parse().ok()?;
        (2..=MOST).contains(&one_in).then_some(OneIn(one_in))
    }
}

impl fmt::Display for OneIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 in {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::OneIn;

    #[test]
    fn only_a_rate_in_plain_language_is_read() {
        for (text, expected) in [
            ("1 in 10000", Some(10_000)),
            ("1 in 10,000", Some(10_000)),
            ("1 in 2", Some(2)),
            ("1 in 1,000,000,000", Some(1_000_000_000)),
            ("1 in 1", None),
            ("1 in 1000000001", None),
            ("1 in 10,00", None),
            ("1 in 1000,000", None),
            ("1 in 010", None),
            ("1 in +10", None),
            ("1 in 1e4", None),
            ("1 in ", None),
            ("2 in 10000", None),
            ("0.0001", None),
            ("1 in 99999999999999999999", None),
        ] {
            assert_eq!(OneIn::parse(text).map(OneIn::get), expected, "{text}");
        }
        assert_eq!(OneIn::parse("1 in 10,000").unwrap().as_f64(), 1e-4);
        assert_eq!(OneIn::parse("1 in 10,000").unwrap().to_string(), "1 in 10000");
    }
}
