//! A progress bar on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar up to `length` items, `unit` in the plural; hidden where standard error is no terminal.
pub fn progress_bar(length: u64, unit: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template(&format!("{{wide_bar}} {{pos}}/{{len}} {unit}, {{eta}} left")) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
