//! The door file: which door a gate controller moves, whom it trusts and how the door is moved.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_core::CameraId;
use strum::{EnumString, VariantNames};

use crate::actuator::Actuator;
use crate::bus::DoorBus;
use crate::document;
use crate::error::ConfigErrors;
use crate::kind::{AREA, NAME, integer, milliseconds, seconds};
use crate::public_key::PublicKeyRef;
use crate::reader::{Draft, TableReader};
use crate::table;

table! {
    /// One door: which gate opens it, whom it trusts and how it is moved.
    pub struct DoorFile = "the top of the file", check check_file {
        /// The version of this file's format.
        version: u32 = integer(1..=1), required, example 1, change ProcessRestart;
        /// Which door this is, whom it trusts and when it opens.
        door: Door, required,
            example { id = "d", gate = "g", area = "a", site = "s", public_key = "file:site.pub", fail = "secure" },
            change ProcessRestart;
        /// How the controller reaches the gate's node.
        bus: DoorBus, required, example { connect = ["tcp/192.0.2.7:7447"] }, change ProcessRestart;
        /// What moves the door.
        actuator: Actuator, required, example { kind = "log" }, change ProcessRestart;
        /// The emergency release.
        emergency: Emergency, default {}, example { socket = "data/door/release.sock" },
            change ProcessRestart;
    }
}

table! {
    /// Which door this is, whom it trusts and when it opens.
    pub struct Door = "[door]" {
        /// The door's name on the bus, unique at its site.
        id: String = NAME, required, example "door-1", change ProcessRestart;
        /// The `[[gate]]` whose decisions open the door, by its `id` in the site file.
        gate: CameraId, required, example "gate-1", change ProcessRestart;
        /// The site's area: `area` in the site file.
        area: String = AREA, required, example "riverside/oak-county/mill-town/cell-12",
            change ProcessRestart;
        /// The site's name: `id` of `[site]` in the site file.
        site: String = NAME, required, example "north-gate", change ProcessRestart;
        /// The node that serves the gate: `node` in the site file. While it is on the bus, the door
        /// counts as connected.
        node: String = NAME, default "node-1", example "node-2", change ProcessRestart;
        /// The site's public key: only a grant that is signed with the site's secret key opens the
        /// door. The public key is no secret. But anyone who can change it can open the door, so
        /// other users must not be able to write its file.
        public_key: PublicKeyRef, required, example "file:site.pub", change ProcessRestart;
        /// What the door does when the node can't be reached for `lost_after_s`, and when the
        /// controller is stopped. `"secure"`: it stays shut. `"safe"`: it opens and stays open
        /// until the node is back. Choose `"safe"` wherever people could be locked in.
        fail: Fail, required, example "secure", change ProcessRestart;
        /// How long the node may be silent before it counts as lost. A pulled cable shows about 10
        /// s later than a node that ends.
        lost_after as "lost_after_s": Duration = seconds(1.0..=3600.0), default 10.0, example 30.0,
            change ProcessRestart;
        /// The greatest age of a grant. The door does not open for a person who was in front of the
        /// camera longer ago, even if the grant is still valid.
        max_age as "max_age_s": Duration = seconds(1.0..=60.0), default 10.0, example 5.0,
            change ProcessRestart;
        /// The greatest error with which the door may know the node's clock: the longest time from
        /// its query for that clock to the answer. Raise it for a slow network. The wall clocks of
        /// the two machines may differ.
        clock_error as "clock_error_ms": Duration = milliseconds(10..=10_000), default 1000, example 200,
            change ProcessRestart;
        /// How long the door stays open for one person.
        open_for as "open_s": Duration = seconds(0.1..=60.0), default 5.0, example 3.0,
            change ProcessRestart;
        /// The door's own folder: the last grant it accepted, whether it is released, and its log.
        /// Each door needs its own.
        data: PathBuf, default "data/door", example "/var/lib/gatehouse/door-1", change ProcessRestart;
    }
}

/// What a door does when it can't reach the node, or when its controller is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Fail {
    /// It stays shut.
    Secure,
    /// It opens, until the node is back.
    Safe,
}

table! {
    /// The emergency release: `gatehouse door release DOOR.toml` opens the door, with or without
    /// bus, until `gatehouse door reset DOOR.toml`. **A real door needs a release in its wiring as
    /// well**, such as a green break-glass unit that cuts the lock's power: no program can promise
    /// to run in a fire.
    pub struct Emergency = "[emergency]", check check_emergency {
        /// The Unix socket at which the running controller accepts `release` and `reset`. Its owner
        /// and group may use it. Its path has at most 100 bytes.
        socket: Option<PathBuf>, optional "`release.sock` in the folder `data` of `[door]`",
            example "/run/gatehouse/door-1.sock", change ProcessRestart;
    }
}

/// What fits into a Unix socket's address on every system, with room to spare.
const MAX_SOCKET_BYTES: usize = 100;

fn is_too_long(socket: &Path) -> bool {
    socket.as_os_str().len() > MAX_SOCKET_BYTES
}

fn check_emergency(table: &TableReader<'_, '_>, emergency: &Draft<Emergency>) {
    if let Some(Some(socket)) = &emergency.socket
        && is_too_long(socket)
    {
        let message = format!("the path of a socket must have at most {MAX_SOCKET_BYTES} bytes: {}", socket.display());
        table.reject(&["socket"], message, None);
    }
}

fn check_file(table: &TableReader<'_, '_>, file: &Draft<DoorFile>) {
    if let (Some(door), Some(Emergency { socket: None })) = (&file.door, &file.emergency) {
        let socket = door.release_socket();
        if is_too_long(&socket) {
            let message = format!("the path of the release socket is too long: {}", socket.display());
            let help = format!("give a shorter one, of at most {MAX_SOCKET_BYTES} bytes: `[emergency] socket`");
            table.reject(&["door"], message, Some(&help));
        }
    }
}

impl Door {
    /// The release socket where the file names none.
    fn release_socket(&self) -> PathBuf {
        self.data.join("release.sock")
    }
}

impl DoorFile {
    /// Reads and checks a door file.
    ///
    /// # Errors
    /// Every mistake in the file, or the one reason why it can't be read.
    pub fn load(path: &Path) -> Result<DoorFile, ConfigErrors> {
        document::load(path, "door file").map(|(file, _)| file)
    }

    /// Checks the text of a door file. Errors name it `file_name`, and relative paths start at that
    /// file's folder. Nothing is read from disk.
    ///
    /// # Errors
    /// Every mistake in the text.
    pub fn parse(text: &str, file_name: &Path) -> Result<DoorFile, ConfigErrors> {
        document::parse(text, file_name).map(|(file, _)| file)
    }

    /// The socket at which the running controller accepts a release.
    pub fn release_socket(&self) -> PathBuf {
        self.emergency.socket.clone().unwrap_or_else(|| self.door.release_socket())
    }
}
