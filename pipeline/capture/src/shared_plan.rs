//! A camera's decode plan, liveness and frame record, shared by the threads of its stream.
//!
//! Locks: one around plan and liveness, held for one decision; one around the damaged pictures; one
//! around the offset of the camera's clock. None is taken while another is held.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_core::{Delivery, DropReason, Fate, FateCounters};
use parking_lot::{Mutex, MutexGuard};

use crate::camera_clock::OffsetGauge;
use crate::decode_plan::{
    AccessUnit, Consumer, Decision, DecodePlan, HeldDecision, PacketDecision, PacketRole, PictureDecision, RtpPacket,
    Shown, UnitDecision, Wanted,
};
use crate::liveness::{Liveness, Verdict};

/// The most pictures that are known to be damaged and were not decoded yet.
const MAX_DAMAGED: usize = 512;

/// The plan with its counters. Counts each frame's fate as it is decided.
#[derive(Debug)]
pub(crate) struct SharedPlan {
    state: Mutex<State>,
    fates: Arc<FateCounters>,
    camera_offset: OffsetGauge,
    /// The presentation times of pictures whose packets, or those of pictures that they refer to,
    /// were lost.
    damaged: Mutex<VecDeque<Duration>>,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) plan: DecodePlan,
    pub(crate) liveness: Liveness,
}

impl SharedPlan {
    pub(crate) fn new(wanted: Wanted, fates: Arc<FateCounters>) -> Self {
        let state = State { plan: DecodePlan::new(wanted), liveness: Liveness::default() };
        Self { state: Mutex::new(state), fates, camera_offset: OffsetGauge::default(), damaged: Mutex::default() }
    }

    pub(crate) fn fates(&self) -> &Arc<FateCounters> {
        &self.fates
    }

    /// The offset of the camera's clock. A lock of its own, held for one assignment.
    pub(crate) fn camera_offset(&self) -> &OffsetGauge {
        &self.camera_offset
    }

    /// For questions about the state.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// A new connection begins.
    pub(crate) fn begin_connection(&self, now: Monotonic) {
        // Its presentation times begin anew.
        self.damaged.lock().clear();
        let mut state = self.state();
        state.plan.begin_connection();
        state.liveness.begin_connection(now);
    }

    /// Records a packet, says what it is to its access unit, and decides about it. Packets must
    /// come in order.
    pub(crate) fn on_packet(&self, packet: &RtpPacket, arrival: Monotonic) -> (PacketRole, PacketDecision) {
        let (role, decision) = {
            let State { plan, liveness } = &mut *self.state();
            liveness.on_packet(plan.packet_facts(packet), arrival);
            let role = plan.role_of(packet, arrival);
            (role, plan.on_packet(&RtpPacket { marker: role.ends_unit, ..*packet }))
        };
        if decision == (PacketDecision::Drop { begins_unit: true }) {
            self.fates.count(Fate::Received);
            self.fates.count(Fate::Dropped(DropReason::BetweenKeyFrames));
        }
        (role, decision)
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

    /// Records an RTCP report of the camera.
    pub(crate) fn on_report(&self, arrival: Monotonic) {
        self.state().liveness.on_report(arrival);
    }

    pub(crate) fn on_unit(&self, unit: &AccessUnit, consumer: &Consumer) -> Decision {
        self.fates.count(Fate::Received);
        let (decision, missed) = {
            let mut state = self.state();
            let awaited = state.plan.mode().awaits_key_frame;
            let decision = state.plan.on_unit(unit, consumer);
            let begins = unit.kind.is_key() || (awaited && !state.plan.mode().awaits_key_frame);
            state.liveness.on_unit(begins, unit.arrival);
            match decision.unit {
                UnitDecision::Decode(_) => state.liveness.on_sent(false, unit.arrival),
                UnitDecision::DecodeAlone(_) => state.liveness.on_sent(true, unit.arrival),
                UnitDecision::Hold | UnitDecision::Drop(_) => {}
            }
            (decision, state.plan.missed())
        };
        self.fates.set_missed(missed);
        if let UnitDecision::Drop(reason) = decision.unit {
            self.fates.count(Fate::Dropped(reason));
        }
        decision
    }

    /// What became of units that were held.
    pub(crate) fn record_held(&self, decision: HeldDecision, units: usize) {
        let reason = match decision {
            HeldDecision::Keep => return,
            HeldDecision::Discard(reason) => reason,
            HeldDecision::Decode => DropReason::CatchUp,
        };
        self.fates.count_many(Fate::Dropped(reason), units as u64);
    }

    /// The decision, and the picture's number among those decoded; 0 for one that isn't shown.
    /// `is_marked`: the decoder marked it as broken.
    pub(crate) fn on_picture(&self, at: Option<Duration>, now: Monotonic, is_marked: bool) -> (Shown, u64) {
        let (shown, missed) = {
            let mut state = self.state();
            let shown = state.plan.on_picture(at, now, is_marked);
            state.liveness.on_picture(shown.decision != PictureDecision::Corrupted, now);
            (shown, state.plan.missed())
        };
        self.fates.set_missed(missed);
        let number = match shown.decision {
            PictureDecision::Hidden => 0,
            PictureDecision::Corrupted => {
                self.fates.count(Fate::Dropped(DropReason::Corrupted));
                0
            }
            PictureDecision::Analyse | PictureDecision::NotDue => self.fates.count(Fate::Decoded),
        };
        (shown, number)
    }

    /// Records what the consumer did with a picture that came then; `None`: it was not delivered.
    pub(crate) fn record(&self, delivery: Option<Delivery>, now: Monotonic) {
        let fate = match delivery {
            None => Fate::Dropped(DropReason::NotDue),
            Some(Delivery::Queued | Delivery::Closed) => return,
            Some(Delivery::Unchanged) => Fate::Unchanged,
            Some(Delivery::Analysed) => Fate::Analysed,
            Some(Delivery::Replaced) => {
                let mut state = self.state();
                state.plan.record_superseded(now);
                self.fates.set_missed(state.plan.missed());
                Fate::Superseded
            }
        };
        self.fates.count(fate);
    }

    /// Judges the connection.
    pub(crate) fn judge(&self, now: Monotonic) -> Verdict {
        let state = self.state();
        state.liveness.judge(state.plan.mode(), now)
    }
}
