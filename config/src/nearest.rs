//! "Did you mean …?"

/// The candidate that is most similar to `name`, or `None` if none is similar.
///
/// Letter case and `-` for `_` do not count. At most a third of the letters may differ, by the
/// Damerau-Levenshtein distance (insert, delete, change, swap neighbours).
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let name = plain(name);
    // The distance takes time by the square of the length, and no key is long.
    let length = name.chars().count();
    if length > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= length.max(candidate.chars().count()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_mistakes_are_recognised_without_wild_guesses() {
        let keys = ["analyse_fps", "id", "latency_ms", "source"];
        for (name, expected) in [
            ("analyze_fps", Some("analyse_fps")),
            ("Analyse-FPS", Some("analyse_fps")),
            ("latency", Some("latency_ms")),
            ("soruce", Some("source")),
            ("ID", Some("id")),
            ("ip", None),
            ("url", None),
            ("", None),
            ("门口", None),
        ] {
            assert_eq!(nearest(name, keys), expected, "{name}");
        }
        assert_eq!(nearest(&"a".repeat(100_000), keys), None);
    }
}
