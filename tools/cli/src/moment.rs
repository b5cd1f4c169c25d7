//! Dates and times on the command line.

use anyhow::anyhow;
use gatehouse_core::time::WallTime;

/// The time at which something ends: a time, or the end of a day in UTC. The error names `option`.
pub(crate) fn end_of(option: &str, text: &str) -> anyhow::Result<WallTime> {
    moment(option, text, true)
}

/// The time at which something begins: a time, or the start of a day in UTC.
pub(crate) fn start_of(option: &str, text: &str) -> anyhow::Result<WallTime> {
    moment(option, text, false)
}

fn moment(option: &str, text: &str, end: bool) -> anyhow::Result<WallTime> {
    let expected =
        || anyhow!("{option} {text}: expected a date such as 2027-06-30 or a time such as 2027-06-30T12:00:00+08:00");
    // The parser of dates accepts a time too, and drops the hours without an error.
    let timestamp: jiff::Timestamp = if text.len() > "2027-06-30".len() {
        text.parse().map_err(|_| expected())?
    } else {
        let date: jiff::civil::Date = text.parse().map_err(|_| expected())?;
        let day = if end { date.tomorrow()? } else { date };
        day.at(0, 0, 0, 0).to_zoned_datetime(jiff::tz::TimeZone::UTC)?.timestamp()
    };
    let nanos = i64::try_from(timestamp.as_nanosecond())
        .map_err(|_| anyhow!("{option} {text}: outside the years 1678 to 2262"))?;
    Ok(WallTime::from_unix_nanos(nanos))
}

/// A time as text, to the minute, in UTC.
pub(crate) fn text(at: WallTime) -> String {
    let timestamp = jiff::Timestamp::from_nanosecond(i128::from(at.unix_nanos())).unwrap_or_default();
    timestamp.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The end of a period as text. An end at midnight is written as the day before it.
pub(crate) fn end_text(end: WallTime) -> String {
    const DAY: i64 = 86_400_000_000_000;
    if end.unix_nanos().rem_euclid(DAY) != 0 {
        return text(end);
    }
    let last = WallTime::from_unix_nanos(end.unix_nanos() - 1);
    text(last).replace(" 23:59 UTC", ", to its end (UTC)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_written_as_it_was_given() {
        let written = |given: &str| end_text(end_of("--until", given).expect("a time"));
        assert_eq!(written("2027-06-30"), "2027-06-30, to its end (UTC)");
        assert_eq!(written("2027-06-30T12:00:59+08:00"), "2027-06-30 04:00 UTC");
        assert_eq!(text(WallTime::from_unix_nanos(0)), "1970-01-01 00:00 UTC");
    }

    #[test]
    fn a_date_covers_its_day_and_a_time_is_exact() {
        assert_eq!(end_of("--until", "2027-06-30").expect("a date").to_string(), "2027-07-01T00:00:00.000Z");
        assert_eq!(start_of("--from", "2027-06-30").expect("a date").to_string(), "2027-06-30T00:00:00.000Z");
        let exact = end_of("--until", "2027-06-30T12:00:00+08:00").expect("a time");
        assert_eq!(exact.to_string(), "2027-06-30T04:00:00.000Z");
        let error = end_of("--until", "30/06/2027").expect_err("another form").to_string();
        assert!(error.starts_with("--until 30/06/2027: expected a date such as 2027-06-30"), "{error}");
    }
}
