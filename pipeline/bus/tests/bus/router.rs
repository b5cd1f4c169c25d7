//! The bus behind a zenoh router: a session of our own in the mode "router", on TCP loopback.

use gatehouse_bus::{Bus, BusOptions, NodeChange, Watcher};
use gatehouse_core::Event;
use gatehouse_core::bus_mode::BusMode;
use gatehouse_core::key::EVERYTHING;
use serde_json::json;
use zenoh::{Session, Wait};

use crate::support::{DEADLINE, any_port, density, entry, gate, health, next, next_entry, site, tally};

struct Router {
    session: Session,
    address: Vec<String>,
}

impl Router {
    fn open(listen: Vec<String>, rules: Option<serde_json::Value>) -> Self {
        let mut config = zenoh::Config::default();
        let mut set = |key: &str, value: serde_json::Value| {
            config.insert_json5(key, &value.to_string()).expect("a setting");
        };
        set("mode", json!("router"));
        set("listen/endpoints", json!(listen));
        set("scouting/multicast/enabled", json!(false));
        if let Some(rules) = rules {
            set("access_control", rules);
        }
        let session = zenoh::open(config).wait().expect("opens");
        let address = session.info().locators().wait().iter().map(ToString::to_string).collect();
        Self { session, address }
    }

    fn new() -> Self {
        Self::open(any_port(), None)
    }

    fn close(self) -> Vec<String> {
        self.session.close().wait().expect("closes");
        self.address
    }

    /// An end that connects to the router alone.
    fn client(&self) -> BusOptions {
        BusOptions::connecting(self.address.clone())
    }

    /// An end that connects to the router, and to which others may connect as well.
    fn listening_peer(&self) -> BusOptions {
        BusOptions { listen: any_port(), ..self.client() }
    }

    /// An end that is a peer because its options say so.
    fn silent_peer(&self) -> BusOptions {
        BusOptions { mode: Some(BusMode::Peer), ..self.client() }
    }
}

fn node(options: &BusOptions, name: &str) -> Bus {
    Bus::open(options, site(), name).expect("opens")
}

fn watch(options: &BusOptions) -> Watcher {
    Watcher::open(options, EVERYTHING).expect("opens")
}

#[test]
fn ends_at_a_router_hear_each_other_if_one_is_a_client() {
    let router = Router::new();
    let ends = [router.client(), router.listening_peer(), router.silent_peer()];
    let pairs = [(0, 0), (1, 0), (2, 0), (0, 1), (0, 2)];
    for (number, (of_node, of_watcher)) in pairs.into_iter().enumerate() {
        let name = format!("node-{number}");
        let bus = node(&ends[of_node], &name);
        bus.serve_status(|| json!({ "fine": true })).expect("declares");
        bus.serve_history(&[gate()], |asked| Ok((asked.from..=3).map(entry).collect())).expect("declares");
        bus.publish(&density("early", 7)).expect("publishes");
        let watcher = watch(&ends[of_watcher]);
        assert_eq!(next(&watcher).event.expect("it is one"), density("early", 7), "the last value");
        let nodes = watcher.nodes("gatehouse/v1/**/node/*/alive").expect("declares");
        let change = |alive| Ok(NodeChange { key: site().alive(&name), alive });
        assert_eq!(nodes.recv_timeout(DEADLINE), change(true));
        for event in [Event::Entry(entry(1)), tally(7), health(0)] {
            bus.publish(&event).expect("publishes");
            assert_eq!(next(&watcher).event.expect("it is one"), event, "{} to {}", ends[of_node], ends[of_watcher]);
        }
        assert_eq!(watcher.status(&site()).expect("answers"), [json!({ "fine": true })]);
        assert_eq!(watcher.entries(&site().entry(&gate()), 2, 9).expect("answers"), [entry(2), entry(3)]);
        assert_eq!((watcher.peers(), watcher.is_peer_at_router()), (1, of_watcher > 0));
        bus.close(DEADLINE).expect("closes");
        assert_eq!(nodes.recv_timeout(DEADLINE), change(false));
    }
}

#[test]
fn an_end_behind_a_router_is_found_after_the_router_restarts() {
    let router = Router::new();
    let (bus, watcher) = (node(&router.client(), "node-a"), watch(&router.client()));
    bus.publish(&Event::Entry(entry(1))).expect("publishes");
    assert_eq!(next_entry(&watcher).1.sequence, 1);
    let address = router.close();
    (2..=15).for_each(|sequence| bus.publish(&Event::Entry(entry(sequence))).expect("publishes"));
    let _router = Router::open(address, None);
    for sequence in 2..=15 {
        assert_eq!(next_entry(&watcher).1.sequence, sequence, "published while the router was away");
    }
    bus.publish(&tally(1)).expect("publishes");
    assert_eq!(next(&watcher).event.expect("it is one"), tally(1));
}

#[test]
fn a_client_opens_before_its_router_and_finds_it_later() {
    let address = Router::new().close();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    let options = BusOptions::connecting([vec![format!("tcp/{nobody}")], address.clone()].concat());
    let (bus, watcher) = (node(&options, "node-a"), watch(&options));
    assert_eq!(watcher.peers(), 0);
    bus.publish(&Event::Entry(entry(1))).expect("publishes");
    bus.publish(&health(3)).expect("publishes");
    let _router = Router::open(address, None);
    let mut heard = [next(&watcher), next(&watcher)].map(|received| received.event.expect("it is one"));
    heard.sort_by_key(|event| matches!(event, Event::Health(_)));
    assert_eq!(heard, [Event::Entry(entry(1)), health(3)]);
    bus.close(DEADLINE).expect("closes");
    watcher.close(DEADLINE).expect("closes");
}

#[test]
fn a_client_without_a_router_closes_at_once() {
    let address = Router::new().close();
    let options = BusOptions::connecting(address);
    let (bus, watcher) = (node(&options, "node-a"), watch(&options));
    bus.publish(&tally(1)).expect("publishes");
    bus.close(DEADLINE).expect("closes");
    assert!(bus.publish(&tally(2)).is_err(), "closed");
    watcher.close(DEADLINE).expect("closes");
    drop(node(&options, "node-b"));
}

#[test]
fn the_access_rules_of_a_router_bind_clients_and_peers() {
    let rules = json!({
        "enabled": true,
        "default_permission": "allow",
        "rules": [{ "id": "no-entries", "messages": ["put", "reply"], "flows": ["ingress"], "permission": "deny",
            "key_exprs": ["gatehouse/**/entry"] }],
        "subjects": [{ "id": "all" }],
        "policies": [{ "rules": ["no-entries"], "subjects": ["all"] }],
    });
    let router = Router::open(any_port(), Some(rules));
    for options in [router.client(), router.listening_peer()] {
        let bus = node(&options, "node-a");
        let watcher = watch(&router.client());
        // A peer that listens, like the node: gossip would connect the two.
        let peer = watch(&router.listening_peer());
        for sequence in 1..=5 {
            bus.publish(&Event::Entry(entry(sequence))).expect("publishes");
        }
        bus.publish(&tally(1)).expect("publishes");
        assert_eq!(next(&watcher).event.expect("it is one"), tally(1), "entries are stopped: {options}");
        assert_eq!(peer.peers(), 1, "the router alone");
        bus.close(DEADLINE).expect("closes");
    }
}

#[test]
fn gossip_connects_peers_where_it_is_asked_for() {
    let router = Router::new();
    let with_gossip = |options| BusOptions { gossip: true, ..options };
    let bus = node(&with_gossip(router.listening_peer()), "node-a");
    let watcher = watch(&with_gossip(router.listening_peer()));
    bus.publish(&tally(1)).expect("publishes");
    assert_eq!(next(&watcher).event.expect("it is one"), tally(1), "over a connection of their own");
    assert_eq!(watcher.peers(), 2);
}

#[test]
fn a_node_passes_the_state_of_its_doors_on_to_other_clients() {
    let bus = node(&BusOptions::listening(any_port()), "node-a");
    let at_node = BusOptions::connecting(bus.locators());
    let door = Watcher::open(&at_node, "gatehouse/none").expect("opens");
    let announcer = door.announcer(&site().of(&tally(4))).expect("declares");
    announcer.say(&tally(4)).expect("says");
    for watcher in [watch(&at_node), watch(&BusOptions { mode: Some(BusMode::Peer), ..at_node.clone() })] {
        assert_eq!(next(&watcher).event.expect("it is one"), tally(4));
    }
}
