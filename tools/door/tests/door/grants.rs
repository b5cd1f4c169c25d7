//! What opens a door on a real bus.

use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::event::Decision;
use gatehouse_credential::sign_grant;

use crate::support::*;

#[test]
fn only_a_current_grant_of_this_site_and_gate_opens() {
    let (place, device, node) = (Place::new(), Device::start(&[]), node(None));
    let door = place.start(&place.file(&locator(&node), &device, "secure"));
    assert_eq!(device.next(), "shut");
    let now = place.now();
    // As many as could open it; none may.
    publish(&node, unsigned(1, now));
    let mut forged = unsigned(2, now);
    forged.grant = sign_grant(&signer("43"), &site().to_string(), &forged, now + Duration::from_secs(5));
    publish(&node, forged);
    let mut altered = admit(3, now);
    altered.sequence = 4;
    publish(&node, altered);
    publish(&node, admit(5, now - Duration::from_secs(11)));
    let mut ended = unsigned(6, now);
    ended.grant = sign_grant(&signer("42"), &site().to_string(), &ended, now);
    publish(&node, ended);
    let mut other_gate = unsigned(7, now);
    other_gate.gate = CameraId::new("gate-2");
    other_gate.grant = sign_grant(&signer("42"), &site().to_string(), &other_gate, now + Duration::from_secs(5));
    publish(&node, other_gate);
    let mut referred = admit(8, now);
    referred.decision = Decision::Refer;
    publish(&node, referred);
    let good = admit(9, place.now());
    publish(&node, good.clone());
    assert_eq!(device.next(), "open");
    // Replayed, held back until now, and then the next one.
    publish(&node, good);
    publish(&node, admit(8, now));
    publish(&node, admit(10, place.now()));
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
    let door = place.start(&file);
    assert_eq!(device.next(), "shut");
    let good = admit(1, place.now());
    publish(&node, good.clone());
    assert_eq!(device.next(), "open");
    stop(door);

    // The bus still holds it for late joiners, and somebody sends it again.
    let door = place.start(&file);
    assert_eq!(device.next(), "shut");
    publish(&node, good);
    publish(&node, admit(2, place.now()));
    assert_eq!(device.next(), "open");
    wait_until(|| door.state().openings == 1);
    stop(door);
    assert_eq!(device.commands.try_iter().count(), 0);
    node.close(DEADLINE).expect("closes");
}
