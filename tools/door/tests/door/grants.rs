//! What opens a door on a real bus.

use gatehouse_core::CameraId;
use gatehouse_core::event::Decision;
use gatehouse_credential::{GrantTimes, sign_grant};

use crate::support::*;

#[test]
fn only_a_current_grant_of_this_site_and_gate_opens() {
    let (place, device, node) = (Place::new(), Device::start(&[]), node(None));
    let door = place.start_with_clock(&place.file(&locator(&node), &device, "secure"));
    assert_eq!(device.next(), "shut");
    let now_ms = node.now_ms();
    let grant = node.grant(now_ms);
    // As many as could open it; none may.
    publish(&node, unsigned(1));
    let mut forged = unsigned(2);
    forged.grant = sign_grant(&signer("43"), &site().to_string(), &forged, grant);
    publish(&node, forged);
    let mut altered = node.admit(3);
    altered.sequence = 4;
    publish(&node, altered);
    publish(&node, node.admit_from(5, now_ms.saturating_sub(11_000)));
    let mut ended = unsigned(6);
    ended.grant = sign_grant(&signer("42"), &site().to_string(), &ended, GrantTimes { until_ms: now_ms, ..grant });
    publish(&node, ended);
    let mut other_gate = unsigned(7);
    other_gate.gate = CameraId::new("gate-2");
    other_gate.grant = sign_grant(&signer("42"), &site().to_string(), &other_gate, grant);
    publish(&node, other_gate);
    let mut referred = node.admit(8);
    referred.decision = Decision::Refer;
    publish(&node, referred);
    publish(&node, node.admit_from(8, now_ms + 60_000));
    let good = node.admit(9);
    publish(&node, good.clone());
    assert_eq!(device.next(), "open");
    // Replayed, held back until now, and then the next one.
    publish(&node, good);
    publish(&node, node.admit_from(8, now_ms));
    publish(&node, node.admit(10));
    assert_eq!(device.next(), "open");
    wait_until(|| door.state().openings == 2);
    stop(door);
    assert_eq!(device.commands.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
    node.close(DEADLINE).expect("closes");
}

#[test]
fn a_restarted_controller_opens_for_no_earlier_grant() {
    let (place, device, node) = (Place::new(), Device::start(&[]), node(None));
    let file = place.file(&locator(&node), &device, "secure");
    let door = place.start_with_clock(&file);
    assert_eq!(device.next(), "shut");
    let good = node.admit(1);
    publish(&node, good.clone());
    assert_eq!(device.next(), "open");
    stop(door);

    // The bus still holds it for late joiners, and somebody sends it again.
    let door = place.start_with_clock(&file);
    assert_eq!(device.next(), "shut");
    publish(&node, good);
    publish(&node, node.admit(2));
    assert_eq!(device.next(), "open");
    wait_until(|| door.state().openings == 1);
    stop(door);
    assert_eq!(device.commands.try_iter().count(), 0);
    node.close(DEADLINE).expect("closes");
}

#[test]
fn a_door_says_that_it_refuses_grants_and_why() {
    let (place, device, node) = (Place::new(), Device::start(&[]), node(None));
    let door = place.start_with_clock(&place.file(&locator(&node), &device, "secure"));
    assert_eq!(device.next(), "shut");
    let offset_ms = door.state().node_clock_offset_ms.expect("known");
    assert!((offset_ms - 8 * 3_600_000).abs() < 1000, "the clocks differ by 8 h: {offset_ms} ms");
    let early = node.now_ms() + 60_000;
    (1..=3).for_each(|sequence| publish(&node, node.admit_from(sequence, early)));
    wait_until(|| door.state().warning.is_some());
    let state = door.state();
    let warning = state.warning.unwrap_or_default();
    assert!(state.refused_in_a_row == 3 && warning.contains("ahead of the node's own clock"), "{warning}");
    publish(&node, node.admit(4));
    assert_eq!(device.next(), "open");
    wait_until(|| door.state().warning.is_none());
    stop(door);
    node.close(DEADLINE).expect("closes");
}

#[test]
fn a_door_says_that_it_waits_for_the_nodes_clock() {
    let (place, device, node) = (Place::new(), Device::start(&[]), silent_node(None));
    let door = place.start(&place.file(&locator(&node), &device, "secure"));
    assert_eq!(device.next(), "shut");
    wait_until(|| door.state().warning.is_some_and(|warning| warning.contains("waits for the node's clock")));
    publish(&node, node.admit(1));
    wait_until(|| door.state().refused_in_a_row == 1);
    stop(door);
    assert_eq!(device.commands.try_iter().count(), 0);
    node.close(DEADLINE).expect("closes");
}

#[test]
fn a_grant_of_a_node_that_has_just_restarted_opens() {
    let (place, device, first) = (Place::new(), Device::start(&[]), node(None));
    let address = locator(&first);
    let door = place.start_with_clock(&place.file(&address, &device, "secure"));
    assert_eq!(device.next(), "shut");
    publish(&first, first.admit(1));
    assert_eq!(device.next(), "open");
    let held = first.admit(2);
    first.close(DEADLINE).expect("closes");
    drop(first);
    let second = node(Some(address));
    publish(&second, second.admit(1));
    assert_eq!(device.next(), "open");
    // Of the earlier run, and within its time.
    publish(&second, held);
    wait_until(|| door.state().refused_in_a_row == 1);
    stop(door);
    assert_eq!(device.commands.try_iter().count(), 0);
    second.close(DEADLINE).expect("closes");
}
