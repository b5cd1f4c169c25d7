//! What a demo has shown.

use gatehouse_core::Event;
use gatehouse_core::event::{Decision, Method, Reason};

/// Counts of the events seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    by_face: u64,
    by_pass: u64,
    referred: u64,
    pictures: u64,
    densities: u64,
    counted: u64,
    fewest: Option<f64>,
    most: f64,
}

impl Tally {
    pub(crate) fn count(&mut self, event: &Event) {
        match event {
            Event::Entry(entry) => match (entry.decision, entry.method) {
                (Decision::Admit, Method::Face | Method::QrAndFace) => self.by_face += 1,
                (Decision::Admit, Method::Qr) => self.by_pass += 1,
                (Decision::Refer, _) => {
                    self.referred += 1;
                    self.pictures += u64::from(entry.reason == Reason::NotLive);
                }
            },
            Event::Density(density) => {
                self.densities += 1;
                self.counted += u64::from(density.count > 0.0);
                self.fewest = Some(self.fewest.map_or(density.count, |fewest| fewest.min(density.count)));
                self.most = self.most.max(density.count);
            }
            Event::Tally(_)
            | Event::Level(_)
            | Event::Map(_)
            | Event::RollUp(_)
            | Event::Health(_)
            | Event::Load(_)
            | Event::Door(_) => {}
        }
    }

    /// Whether all was seen: somebody let through by face and by pass, a picture that was held up referred, and people
    /// counted.
    pub(crate) fn complete(&self) -> bool {
        self.by_face > 0 && self.by_pass > 0 && self.pictures > 0 && self.counted > 0
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "{} let in by face, {} by pass, {} referred ({} for a picture held up), {} density events with {} to {} people: {}",
            self.by_face,
            self.by_pass,
            self.referred,
            self.pictures,
            self.densities,
            self.fewest.unwrap_or(0.0),
            self.most,
            if self.complete() { "all was seen" } else { "NOT all was seen" }
        )
    }
}
