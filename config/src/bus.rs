//! How a node and a door take part in the bus: zenoh, over TCP.

use gatehouse_core::bus_mode::BusMode;

use crate::endpoint::Endpoint;
use crate::kind::{CONNECT, LISTEN};
use crate::reader::{Draft, TableReader};
use crate::table;

table! {
    /// How events leave the site: zenoh, over TCP.
    pub struct Bus = "[bus]", check check_node {
        /// How the node takes part. `"client"`: it connects to a router, or to another node, and
        /// everything passes through there; the router's access rules bind it. `"peer"`: others
        /// connect to it, or it connects to several others. Two peers at one router do not hear
        /// each other. [Networks](../guide/network.md) says which to choose.
        mode: Option<BusMode>, optional "`client` with `connect` and without `listen`, else `peer`",
            example "peer", change ProcessRestart;
        /// The endpoints at which others may connect to a peer. With port 0 the system chooses a
        /// free one. With an empty list nobody can connect.
        listen: Option<Vec<Endpoint>> = LISTEN, optional "a free port of 127.0.0.1 without `connect`, else none",
            example ["tcp/127.0.0.1:7447"], change ProcessRestart;
        /// The routers or nodes that the node connects to. A peer connects to all of them. A client
        /// connects to the first that answers, and to another one when it is lost.
        connect: Vec<Endpoint> = CONNECT, default [], example ["tcp/router.example:7447"],
            change ProcessRestart;
        /// Whether a peer also connects to the peers that its neighbours know of. The access rules
        /// of a router do not apply to such connections.
        gossip: bool, default false, example false, change ProcessRestart;
    }
}

table! {
    /// How the controller reaches the gate's node: zenoh, over TCP.
    pub struct DoorBus = "[bus]", check check_door {
        /// How the controller takes part. `"client"`: it connects to the node or to a router, and
        /// everything passes through there. `"peer"`: others can connect to it as well. Two peers
        /// at one router do not hear each other. [Networks](../guide/network.md) says which to
        /// choose.
        mode: Option<BusMode>, optional "`client` without `listen`, else `peer`", example "client",
            change ProcessRestart;
        /// The endpoints at which others connect to a peer. Not needed: the node or router passes
        /// on the state of the door. With port 0 the system chooses a free one.
        listen: Vec<Endpoint> = LISTEN, default [], example [], change ProcessRestart;
        /// The node, or routers that lead to it. At least one. A client connects to the first that
        /// answers, and to another one when it is lost.
        connect: Vec<Endpoint> = CONNECT, required, example ["tcp/192.0.2.7:7447"],
            change ProcessRestart;
        /// Whether a peer also connects to the peers that its neighbours know of. The access rules
        /// of a router do not apply to such connections.
        gossip: bool, default false, example false, change ProcessRestart;
    }
}

impl Bus {
    /// Where the node listens.
    pub fn listen(&self) -> Vec<Endpoint> {
        match &self.listen {
            Some(listen) => listen.clone(),
            None if self.connect.is_empty() => vec![Endpoint::any_port_of_loopback()],
            None => Vec::new(),
        }
    }
}

fn check_node(table: &TableReader<'_, '_>, bus: &Draft<Bus>) {
    let (Some(mode), Some(connect), Some(gossip)) = (bus.mode, &bus.connect, bus.gossip) else { return };
    let listens = bus.listen.as_ref().is_some_and(|listen| listen.as_ref().is_some_and(|listen| !listen.is_empty()));
    check_mode(table, mode, [listens, !connect.is_empty()], gossip);
}

fn check_door(table: &TableReader<'_, '_>, bus: &Draft<DoorBus>) {
    if bus.connect.as_ref().is_some_and(Vec::is_empty) {
        table.reject(&["connect"], "`connect` must name at least one endpoint", None);
        return;
    }
    let (Some(mode), Some(listen), Some(gossip)) = (bus.mode, &bus.listen, bus.gossip) else { return };
    check_mode(table, mode, [!listen.is_empty(), true], gossip);
}

fn check_mode(table: &TableReader<'_, '_>, mode: Option<BusMode>, [listens, connects]: [bool; 2], gossip: bool) {
    let found = mode.unwrap_or(BusMode::default_for(listens, connects));
    if mode == Some(BusMode::Client) && listens {
        let help = "leave out `listen`, or write `mode = \"peer\"`";
        table.reject(&["mode"], "a client does not listen", Some(help));
    }
    if mode == Some(BusMode::Client) && !connects {
        table.reject(&["mode"], "a client needs a router or node to connect to", Some("name it in `connect`"));
    }
    if found == BusMode::Client && gossip {
        let help = "leave out `gossip`, or write `mode = \"peer\"`";
        table.reject(&["gossip"], "a client has one connection, so it has no use for `gossip`", Some(help));
    }
}
