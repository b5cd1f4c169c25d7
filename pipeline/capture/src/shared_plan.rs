//! A camera's decode plan and frame record, shared by the threads of its stream.
//!
//! Locks: around the plan, held for one decision, and around the offset of the camera's clock.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_core::{Delivery, DropReason, Fate, FateCounters};
use parking_lot::{Mutex, MutexGuard};

use crate::camera_clock::OffsetGauge;
use crate::decode_plan::{
    AccessUnit, Consumer, Decision, DecodePlan, PacketDecision, PictureDecision, RtpPacket, UnitDecision, Wanted,
};

/// The plan with its counters. Counts each frame's fate as it is decided.
#[derive(Debug)]
pub(crate) struct SharedPlan {
    plan: Mutex<DecodePlan>,
    fates: Arc<FateCounters>,
    camera_offset: OffsetGauge,
}

impl SharedPlan {
    pub(crate) fn new(wanted: Wanted, fates: Arc<FateCounters>) -> Self {
        Self { plan: Mutex::new(DecodePlan::new(wanted)), fates, camera_offset: OffsetGauge::default() }
    }

    pub(crate) fn fates(&self) -> &Arc<FateCounters> {
        &self.fates
    }

    /// The offset of the camera's clock. A lock of its own, held for one assignment.
    pub(crate) fn camera_offset(&self) -> &OffsetGauge {
        &self.camera_offset
    }

    /// For questions about the plan's state.
    pub(crate) fn state(&self) -> MutexGuard<'_, DecodePlan> {
        self.plan.lock()
    }

    pub(crate) fn on_packet(&self, packet: &RtpPacket) -> PacketDecision {
        let decision = self.state().on_packet(packet);
        if decision == (PacketDecision::Drop { begins_unit: true }) {
            self.fates.count(Fate::Received);
            self.fates.count(Fate::Dropped(DropReason::BetweenKeyFrames));
        }
        decision
    }

    pub(crate) fn on_unit(&self, unit: &AccessUnit, consumer: &Consumer) -> Decision {
        self.fates.count(Fate::Received);
        let (decision, missed) = {
            let mut plan = self.state();
            (plan.on_unit(unit, consumer), plan.missed())
        };
        self.fates.set_missed(missed);
        if let UnitDecision::Drop(reason) = decision.unit {
            self.fates.count(Fate::Dropped(reason));
        }
        decision
    }

    /// Held units are discarded, or decoded without being shown.
    pub(crate) fn drop_held(&self, units: usize, reason: DropReason) {
        self.fates.count_many(Fate::Dropped(reason), units as u64);
    }

    /// The decision, and the picture's number among those decoded; 0 for a hidden one.
    pub(crate) fn on_picture(&self, at: Option<Duration>, arrival: Monotonic) -> (PictureDecision, u64) {
        let (decision, missed) = {
            let mut plan = self.state();
            (plan.on_picture(at, arrival), plan.missed())
        };
        self.fates.set_missed(missed);
        let number = if decision == PictureDecision::Hidden { 0 } else { self.fates.count(Fate::Decoded) };
        (decision, number)
    }

    /// Records what the consumer did with a picture that arrived then; `None`: it was not
    /// delivered.
    pub(crate) fn record(&self, delivery: Option<Delivery>, arrival: Monotonic) {
        let fate = match delivery {
            None => Fate::Dropped(DropReason::NotDue),
            Some(Delivery::Queued | Delivery::Closed) => return,
            Some(Delivery::Unchanged) => Fate::Unchanged,
            Some(Delivery::Analysed) => Fate::Analysed,
            Some(Delivery::Replaced) => {
                let mut plan = self.state();
                plan.record_superseded(arrival);
                self.fates.set_missed(plan.missed());
                Fate::Superseded
            }
        };
        self.fates.count(fate);
    }
}
