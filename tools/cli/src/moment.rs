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

#[cfg(test)]
mod tests {
    use super::*;

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
