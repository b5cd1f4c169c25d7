//! What a demo has shown.

use gatehouse_core::Event;
use gatehouse_core::event::{Decision, Method, Reason};

#[derive(Debug, Default)]
pub(super) struct Outcome {
    admitted_by_face: u64,
    admitted_by_pass: u64,
    referred: u64,
    referred_as_picture: u64,
    density_events: u64,
    events_with_people: u64,
    fewest_people: Option<f64>,
    most_people: f64,
}

impl Outcome {
    pub(super) fn record(&mut self, event: &Event) {
        match event {
            Event::Entry(entry) => match (entry.decision, entry.method) {
                (Decision::Admit, Method::Face | Method::QrAndFace) => self.admitted_by_face += 1,
                (Decision::Admit, Method::Qr) => self.admitted_by_pass += 1,
                (Decision::Refer, _) => {
                    self.referred += 1;
                    self.referred_as_picture += u64::from(entry.reason == Reason::NotLive);
                }
            },
            Event::Density(density) => {
                self.density_events += 1;
                self.events_with_people += u64::from(density.count > 0.0);
                let fewest = self.fewest_people.map_or(density.count, |fewest| fewest.min(density.count));
                self.fewest_people = Some(fewest);
                self.most_people = self.most_people.max(density.count);
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

    /// True once a face and a pass were admitted, a picture was referred, and people were counted.
    pub(super) fn is_complete(&self) -> bool {
        self.admitted_by_face > 0
            && self.admitted_by_pass > 0
            && self.referred_as_picture > 0
            && self.events_with_people > 0
    }

    pub(super) fn summary(&self) -> String {
        format!(
            "{} admitted by face, {} by pass, {} referred ({} for showing a picture), {} density \
             events with {} to {} people: {}",
            self.admitted_by_face,
            self.admitted_by_pass,
            self.referred,
            self.referred_as_picture,
            self.density_events,
            self.fewest_people.unwrap_or(0.0),
            self.most_people,
            if self.is_complete() { "complete" } else { "NOT complete" }
        )
    }
}
