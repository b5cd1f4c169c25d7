//! Dates and times on the command line.

use anyhow::anyhow;
use gatehouse_core::time::WallTime;

/// The moment that something ends at: a time, or the end of a day in UTC. `option` is named in the error.
pub(crate) fn end_of(option: &str, text: &str) -> anyhow::Result<WallTime> {
    moment(option, text, true)
}

/// The moment that something begins at: a time, or the start of a day in UTC.
pub(crate) fn start_of(option: &str, text: &str) -> anyhow::Result<WallTime> {
    moment(option, text, false)
}

fn moment(option: &str, text: &str, end: bool) -> anyhow::Result<WallTime> {
    let expected =
        || anyhow!("{option} {text}: expected a date such as 2027-06-30 or a time such as 2027-06-30T12:00:00+08:00");
    // A date's own parser takes a time as well, and silently drops the hours.
    let timestamp: jiff::Timestamp = if text.len() > "2027-06-30".len() {
        text.parse().map_err(|_| expected())?
    } else {
        let date: jiff::civil::Date = text.parse().map_err(|_| expected())?;
        let day = if end { date.tomorrow()? } else { date };
        day.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC)?.timestamp()
    };
    let nanos = i64::try_from(timestamp.as_nanosecond()).map_err(|_| anyhow!("{option} {text}: too far away"))?;
    Ok(WallTime::from_unix_nanos(nanos))
}

/// For a person to read: to the minute, in UTC.
pub(crate) fn in_words(at: WallTime) -> String {
    let timestamp = jiff::Timestamp::from_nanosecond(i128::from(at.unix_nanos())).unwrap_or_default();
    timestamp.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// As [`in_words`]; what ends with a day names the day.
pub(crate) fn end_in_words(end: WallTime) -> String {
    const DAY: i64 = 86_400_000_000_000;
    if end.unix_nanos().rem_euclid(DAY) != 0 {
        return in_words(end);
    }
    let last = WallTime::from_unix_nanos(end.unix_nanos() - 1);
    in_words(last).replace(" 23:59 UTC", ", to its end (UTC)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_reads_as_it_was_given() {
        let said = |text: &str| end_in_words(end_of("--until", text).expect("a moment"));
        assert_eq!(said("2027-06-30"), "2027-06-30, to its end (UTC)");
        assert_eq!(said("2027-06-30T12:00:59+08:00"), "2027-06-30 04:00 UTC");
        assert_eq!(in_words(WallTime::from_unix_nanos(0)), "1970-01-01 00:00 UTC");
    }

    #[test]
    fn a_date_ends_with_its_day_and_a_time_is_exact() {
        assert_eq!(end_of("--until", "2027-06-30").expect("a date").to_string(), "2027-07-01T00:00:00.000Z");
        assert_eq!(start_of("--from", "2027-06-30").expect("a date").to_string(), "2027-06-30T00:00:00.000Z");
        let exact = end_of("--until", "2027-06-30T12:00:00+08:00").expect("a time");
        assert_eq!(exact.to_string(), "2027-06-30T04:00:00.000Z");
        let error = end_of("--until", "30/06/2027").expect_err("another form").to_string();
        assert!(error.starts_with("--until 30/06/2027: expected a date such as 2027-06-30"), "{error}");
    }
}
