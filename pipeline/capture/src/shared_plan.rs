//! A camera's decode plan and frame record, shared by the threads of its stream.
//!
//! Locks: one around the plan, held for one decision; one around the damaged pictures; one around
//! the offset of the camera's clock. None is taken while another is held.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_core::{Delivery, DropReason, Fate, FateCounters};
use parking_lot::{Mutex, MutexGuard};

use crate::camera_clock::OffsetGauge;
use crate::decode_plan::{
    AccessUnit, Consumer, Decision, DecodePlan, PacketDecision, PictureDecision, RtpPacket, UnitDecision, Wanted,
};

/// The most pictures that are known to be damaged and were not decoded yet.
const MAX_DAMAGED: usize = 512;

/// The plan with its counters. Counts each frame's fate as it is decided.
#[derive(Debug)]
pub(crate) struct SharedPlan {
    plan: Mutex<DecodePlan>,
    fates: Arc<FateCounters>,
    camera_offset: OffsetGauge,
    /// The presentation times of pictures whose packets, or those of pictures that they refer to,
    /// were lost.
    damaged: Mutex<VecDeque<Duration>>,
}

impl SharedPlan {
    pub(crate) fn new(wanted: Wanted, fates: Arc<FateCounters>) -> Self {
        Self {
            plan: Mutex::new(DecodePlan::new(wanted)),
            fates,
            camera_offset: OffsetGauge::default(),
            damaged: Mutex::default(),
        }
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

    /// Packets are missing for the picture that is shown at this time.
    pub(crate) fn mark_damaged(&self, at: Duration) {
        let mut damaged = self.damaged.lock();
        if damaged.back() == Some(&at) {
            return;
        }
        if damaged.len() == MAX_DAMAGED {
            damaged.pop_front();
        }
        damaged.push_back(at);
    }

    /// True if packets are missing for this picture.
    pub(crate) fn is_damaged(&self, at: Option<Duration>) -> bool {
        let damaged = self.damaged.lock();
        at.is_some_and(|at| damaged.iter().rev().any(|known| *known == at))
    }

    /// A decoded picture is not delivered, because packets are missing for it.
    pub(crate) fn drop_damaged(&self) {
        self.fates.count(Fate::Dropped(DropReason::Damaged));
    }

    /// A new connection begins: its presentation times begin anew.
    pub(crate) fn begin_connection(&self) {
        self.damaged.lock().clear();
        self.state().begin_connection();
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
