//! How the commands that listen to the bus connect to it.

use clap::Args;
use gatehouse_bus::BusOptions;
use gatehouse_core::bus_mode::BusMode;

#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// Address of a node or router, as `gatehouse run` prints it; may be given several times
    #[arg(long, value_name = "ENDPOINT", default_value = "tcp/127.0.0.1:7447")]
    pub(crate) connect: Vec<String>,
    /// `client`: one connection, to the first address that answers. `peer`: a connection to each
    /// address; at a router, a peer does not hear nodes that are peers too [default: client for one
    /// address, peer for several]
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<BusMode>,
}

fn mode(text: &str) -> Result<BusMode, String> {
    text.parse().map_err(|_| "expected client or peer".to_owned())
}

impl ConnectArgs {
    pub(crate) fn options(&self) -> BusOptions {
        let options = BusOptions::hearing_all(self.connect.clone());
        BusOptions { mode: self.mode.or(options.mode), ..options }
    }
}
