//! Publishes all events but entries, and the sum of the site's crowd cameras.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, never, select};
use gatehouse_core::Event;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::Clock;
use gatehouse_crowd::rollup::{SiteSum, SummedCamera};

use super::outbound::Sent;
use super::sender::EventSender;
use crate::report::RoleMeter;

/// Time between two sums of the site's crowd cameras.
const SUM_EVERY: Duration = Duration::from_secs(5);

/// Publishes all events but entries.
pub(super) struct EventPublisher {
    pub(super) sender: EventSender,
    /// Measures how long the counts of crowd cameras take to be published.
    pub(super) meter: Arc<RoleMeter>,
}

impl EventPublisher {
    /// Works until the queue is empty and all its senders are dropped.
    pub(super) fn run(self, events: &Receiver<Sent<Event>>, crowds: Vec<SummedCamera>) {
        let failures = LogLimit::default();
        let clock = Arc::clone(&self.sender.clock);
        let next_sum = |clock: &dyn Clock| clock.timer(clock.monotonic() + SUM_EVERY);
        let mut sum_due = if crowds.is_empty() { never() } else { next_sum(clock.as_ref()) };
        let mut sum = SiteSum::new(self.sender.key.place().to_owned(), crowds, clock.wall());
        loop {
            select! {
                recv(events) -> sent => {
                    let Ok(Sent { item: event, at }) = sent else { return };
                    if let Event::Density(counted) = &event {
                        sum.count(counted, clock.monotonic());
                    }
                    self.sender.send(&event, &failures);
                    if let Event::Density(_) = &event {
                        self.meter.record_published(at);
                    }
                }
                recv(sum_due) -> _ => {
                    sum_due = next_sum(clock.as_ref());
                    let event = Event::RollUp(sum.sum(clock.monotonic(), clock.wall()));
                    self.sender.send(&event, &failures);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::unbounded;
    use gatehouse_testing::clock::ManualClock;

    use super::*;
    use crate::crowd::summed;
    use crate::publish::testing::{open_sender, site};

    #[test]
    fn the_site_is_summed_up_every_five_seconds() {
        let manual = Arc::new(ManualClock::default());
        let clock: Arc<dyn Clock> = manual.clone();
        let sender = open_sender(&clock);
        let (_, mut messages) = sender.view.subscribe();
        let publisher = EventPublisher { sender, meter: RoleMeter::new(&clock) };
        let (queue, events) = unbounded();
        let crowds = site().crowds.iter().map(summed).collect();
        let thread = std::thread::spawn(move || publisher.run(&events, crowds));
        for seconds in [5, 10, 15] {
            manual.wait_for_timer(Duration::from_secs(seconds));
            assert!(messages.try_recv().is_err(), "nothing before {seconds} s");
            manual.set(Duration::from_secs(seconds));
            assert_eq!(messages.blocking_recv().expect("it is sent").kind, "rollup");
        }
        drop(queue);
        thread.join().expect("it ends");
    }
}
