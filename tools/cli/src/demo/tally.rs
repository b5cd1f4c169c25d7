//! What a demo has shown.

use gatehouse_core::Event;
use gatehouse_core::event::Decision;

/// Counts of the events seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    admitted: u64,
    referred: u64,
    densities: u64,
    counted: u64,
    fewest: Option<u32>,
    most: u32,
}

impl Tally {
    pub(crate) fn count(&mut self, event: &Event) {
        match event {
            Event::Entry(entry) if entry.decision == Decision::Admit => self.admitted += 1,
            Event::Entry(_) => self.referred += 1,
            Event::Density(density) => {
                self.densities += 1;
                self.counted += u64::from(density.count > 0);
                self.fewest = Some(self.fewest.map_or(density.count, |fewest| fewest.min(density.count)));
                self.most = self.most.max(density.count);
            }
            Event::Tally(_) | Event::Map(_) | Event::Health(_) => {}
        }
    }

    /// Whether all three were seen: somebody let through, somebody referred, and people counted.
    pub(crate) fn complete(&self) -> bool {
        self.admitted > 0 && self.referred > 0 && self.counted > 0
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "{} admit, {} refer, {} density events with {} to {} people: {}",
            self.admitted,
            self.referred,
            self.densities,
            self.fewest.unwrap_or(0),
            self.most,
            if self.complete() { "all three were seen" } else { "NOT all three were seen" }
        )
    }
}
