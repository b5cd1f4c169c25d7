//! The site file: what one node watches, where it listens and what it keeps.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bus::Bus;
use crate::crowd::CrowdCamera;
use crate::document::{self, SourceMap};
use crate::error::ConfigErrors;
use crate::gate::GateCamera;
use crate::kind::{AREA, NAME, NAMES, days, integer};
use crate::models::Models;
use crate::reader::{Draft, TableReader};
use crate::secret::SecretRef;
use crate::table;

table! {
    /// One site: what its node watches, where it listens and what it keeps.
    pub struct Site = "the top of the file", check check_site, with source_map: SourceMap {
        /// The version of this file's format.
        version: u32 = integer(1..=1), required, example 1, change ProcessRestart;
        /// Which site this is, and where it belongs.
        site: SiteId, required, example { id = "north-gate", area = "riverside/mill-town" },
            change ProcessRestart;
        /// The site's database.
        store: Store, required, example { key = "file:secrets/site.key" }, change ProcessRestart;
        /// How events leave the site.
        bus: Bus, default {}, example { connect = ["tcp/router.example:7447"] }, change ProcessRestart;
        /// The web page for operators.
        console: Option<Console>, optional "no page is served", example { listen = "127.0.0.1:8080" },
            change ProcessRestart;
        /// Which models are used, and what runs them.
        models: Models, default {}, example { threads = 2 }, change ProcessRestart;
        /// One table for each gate camera.
        gates as "gate": Vec<GateCamera>, default [],
            example [{ id = "gate-1", source = "rtsp://192.0.2.10/main", liveness = "required" }],
            change CameraRestart;
        /// One table for each crowd camera. A site has at least one camera, of either kind.
        crowds as "crowd": Vec<CrowdCamera>, default [],
            example [{ id = "plaza", source = "rtsp://192.0.2.11/main" }], change CameraRestart;
    }
}

table! {
    /// Which site this is. Its keys on the bus begin with `gatehouse/v1/AREA/ID/`.
    pub struct SiteId = "[site]" {
        /// The site's name on the bus, unique in its area.
        id: String = NAME, required, example "north-gate", change ProcessRestart;
        /// Where the site belongs, from the widest level to the narrowest. Command centres
        /// subscribe by level.
        area: String = AREA, required, example "riverside/oak-county/mill-town/cell-12",
            change ProcessRestart;
        /// This process's name on the bus. Give each node of a site its own name.
        node: String = NAME, default "node-1", example "node-2", change ProcessRestart;
    }
}

table! {
    /// The site's database, and how long it keeps what.
    pub struct Store = "[store]" {
        /// The database file. The first start creates it.
        path: PathBuf, default "data/site.db", example "/var/lib/gatehouse/site.db",
            change ProcessRestart;
        /// The site's key, which encrypts names and templates. `gatehouse key new` creates one.
        /// Keep a copy apart from the database's backups: without the key nobody can read the
        /// database.
        key: SecretRef, required, example "file:secrets/site.key", change ProcessRestart;
        /// The number of stored people at which the operator has to act, for example because the
        /// law asks for a filing. `gatehouse` warns at 80, 90 and 100 % of it and goes on working.
        people_limit: u64 = integer(1..=10_000_000).unit("people"), default 100000, example 5000,
            change ProcessRestart;
        /// How long a published entry event is kept, so that a receiver that was away can ask for
        /// it again.
        outbox as "outbox_days": Duration = days(1..=90), default 7, example 30, change ProcessRestart;
        /// How long the site's own encrypted log keeps who came in. Older entries are deleted.
        entry_log as "entry_log_days": Duration = days(1..=3650), default 30, example 14,
            change ProcessRestart;
        /// The staff roles that may look up who came in, and export what is stored of a person.
        /// Other roles are refused, and the audit log records the attempt. With an empty list
        /// nobody may.
        entry_roles: Vec<String> = NAMES, default ["security"], example ["security", "site-manager"],
            change Live;
        /// How long the audit log keeps what staff did: enrolments, look-ups, exports, changes.
        audit as "audit_days": Duration = days(30..=36_500), default 1095, example 1825,
            change ProcessRestart;
        /// How long a person stays stored after their consent has ended, so that it can be renewed
        /// without new photos. The person is not recognised during this time, and is deleted after
        /// it. A consent that is withdrawn has no such time: the person is deleted at once.
        ended_consent as "ended_consent_days": Duration = days(0..=365), default 30, example 7,
            change ProcessRestart;
        /// How long a pass or card stays listed after its end. It opens nothing during this time.
        ended_pass as "ended_pass_days": Duration = days(0..=365), default 30, example 7,
            change ProcessRestart;
    }
}

table! {
    /// The web page for operators. Without this table no page is served.
    pub struct Console = "[console]" {
        /// The address at which the page is served. It must be one of this machine, since this
        /// version has no login. With port 0 the system chooses a free one.
        listen: SocketAddr, default "127.0.0.1:8080", example "127.0.0.1:8080", change ProcessRestart;
    }
}

fn check_site(table: &TableReader<'_, '_>, site: &Draft<Site>) {
    table.reject_repeated_ids(&["gate", "crowd"], "camera");
    if let (Some(gates), Some(crowds)) = (&site.gates, &site.crowds)
        && gates.is_empty()
        && crowds.is_empty()
    {
        let help = Some("add a [[gate]] or a [[crowd]] table with its `id` and `source`");
        table.reject(&[], "the site has no camera", help);
    }
}

impl Site {
    /// Reads and checks a site file.
    ///
    /// # Errors
    /// Every mistake in the file, or the one reason why it can't be read.
    pub fn load(path: &Path) -> Result<Site, ConfigErrors> {
        document::load(path, "site file").map(|(site, source_map)| Site { source_map, ..site })
    }

    /// Checks the text of a site file. Errors name it `file_name`, and relative paths start at that
    /// file's folder. Nothing is read from disk.
    ///
    /// # Errors
    /// Every mistake in the text.
    pub fn parse(text: &str, file_name: &Path) -> Result<Site, ConfigErrors> {
        document::parse(text, file_name).map(|(site, source_map)| Site { source_map, ..site })
    }
}
