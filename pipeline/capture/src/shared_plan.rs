//! A camera's decode plan, liveness and frame record, shared by the threads of its stream.
//!
//! Locks: one, around plan and liveness, held for one decision.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_core::{Delivery, DropReason, Fate, FateCounters};
use parking_lot::{Mutex, MutexGuard};

use crate::decode_plan::{
    AccessUnit, Consumer, Decision, DecodePlan, HeldDecision, PacketDecision, PacketRole, PictureDecision, RtpPacket,
    Shown, UnitDecision, Wanted,
};
use crate::liveness::{Liveness, Verdict};

/// The plan with its counters. Counts each frame's fate as it is decided.
#[derive(Debug)]
pub(crate) struct SharedPlan {
    state: Mutex<State>,
    fates: Arc<FateCounters>,
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
        Self { state: Mutex::new(state), fates }
    }

    #[cfg(test)]
    pub(crate) fn fates(&self) -> &Arc<FateCounters> {
        &self.fates
    }

    /// For questions about the state.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// A new connection begins.
    pub(crate) fn begin_connection(&self, now: Monotonic) {
        let mut state = self.state();
        state.plan.begin_connection();
        state.liveness.begin_connection(now);
    }

    /// Records a packet that goes on whatever it is. For packets that may be out of order.
    pub(crate) fn watch_packet(&self, packet: &RtpPacket, arrival: Monotonic) {
        self.state().watch(packet, arrival);
    }

    /// Records a packet and decides about it. Packets must come in order.
    pub(crate) fn on_packet(&self, packet: &RtpPacket, arrival: Monotonic) -> PacketDecision {
        let decision = {
            let mut state = self.state();
            state.watch(packet, arrival);
            state.plan.on_packet(packet)
        };
        if decision == (PacketDecision::Drop { begins_unit: true }) {
            self.fates.count(Fate::Received);
            self.fates.count(Fate::Dropped(DropReason::BetweenKeyFrames));
        }
        decision
    }

    /// Records an RTCP report of the camera.
    pub(crate) fn on_report(&self, arrival: Monotonic) {
        self.state().liveness.on_report(arrival);
    }

    /// Says what a packet that goes to the depayloader is to its access unit. Packets must come in
    /// order.
    pub(crate) fn role_of(&self, packet: &RtpPacket, now: Monotonic) -> PacketRole {
        self.state().plan.role_of(packet, now)
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

impl State {
    fn watch(&mut self, packet: &RtpPacket, arrival: Monotonic) {
        let facts = self.plan.packet_facts(packet);
        self.liveness.on_packet(facts, arrival);
    }
}
