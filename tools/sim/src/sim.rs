//! The simulator: several cameras behind one port.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    CameraClock, ClipLibrary, Command, Fault, Login, Replay, SenderReports, SimConfig, SimError,
    door::{Door, Mounts},
    error::init_gstreamer,
    mount::Mount,
    script::Script,
    stats::MountStats,
};

/// A running simulator. Dropping it stops it; [`Sim::stop`] does the same and returns the error.
pub struct Sim {
    mounts: Mounts,
    address: SocketAddr,
    /// `None` while the server is stopped.
    door: Mutex<Option<Door>>,
    scripts: Vec<Script>,
    /// The cameras with oddities, and their names.
    odd: Option<(Replay, Vec<String>)>,
}

impl Sim {
    /// Encodes the scenes and starts serving them.
    ///
    /// # Errors
    /// Names the mount whose scene cannot be encoded, or the address that cannot be listened on.
    pub fn start(config: SimConfig) -> Result<Self, SimError> {
        let library = ClipLibrary::new(config.cache_dir.clone());
        Self::start_with(config, &library)
    }

    /// As [`Sim::start`], with scenes that another simulator may already have encoded. The config's
    /// own cache folder is not used.
    ///
    /// # Errors
    /// As [`Sim::start`].
    pub fn start_with(config: SimConfig, library: &ClipLibrary) -> Result<Self, SimError> {
        init_gstreamer()?;
        config.validate()?;
        let mut sim = Self {
            mounts: Mounts::default(),
            address: config.listen,
            door: Mutex::default(),
            scripts: Vec::new(),
            odd: None,
        };
        let mut mounts = std::collections::BTreeMap::new();
        let (odd, plain): (Vec<_>, Vec<_>) = config.mounts.into_iter().partition(|mount| !mount.oddities.is_empty());
        if !odd.is_empty() {
            let names = odd.iter().map(|mount| mount.name().to_owned()).collect();
            sim.odd = Some((Replay::start(&odd, library)?, names));
        }
        for mount in plain {
            let mount = Mount::start(mount, library.clone())?;
            mounts.insert(mount.name().to_owned(), Arc::new(mount));
        }
        sim.mounts = Arc::new(mounts);
        sim.restart_server()?;
        let bound = sim.door.lock().as_ref().map(Door::address);
        sim.address = bound.unwrap_or(sim.address);
        for mount in sim.mounts.values().filter(|mount| !mount.config.faults.is_empty()) {
            sim.scripts.push(Script::start(Arc::clone(mount))?);
        }
        Ok(sim)
    }

    /// The address that the server listens on, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The names of the mounts: those without oddities, sorted, and those with oddities.
    pub fn mounts(&self) -> impl Iterator<Item = &str> {
        let odd = self.odd.iter().flat_map(|(_, names)| names);
        self.mounts.keys().chain(odd).map(String::as_str)
    }

    /// The URL of a mount, without a login. It need not exist.
    pub fn url(&self, mount: &str) -> String {
        if let Some((odd, names)) = &self.odd
            && names.iter().any(|name| name == mount.trim_matches('/'))
        {
            return odd.url(mount);
        }
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        format!("rtsp://{address}/{}", mount.trim_matches('/'))
    }

    /// Injects a fault into one camera. Returns when the fault is active. Encodes the picture that
    /// the fault needs first, while the stream goes on.
    ///
    /// # Errors
    /// If there is no such mount, or the fault's picture cannot be encoded.
    pub fn inject(&self, mount: &str, fault: Fault) -> Result<(), SimError> {
        self.mount(mount)?.inject(fault)
    }

    /// Ends the fault of one camera.
    ///
    /// # Errors
    /// If there is no such mount.
    pub fn clear(&self, mount: &str) -> Result<(), SimError> {
        self.mount(mount)?.clear();
        Ok(())
    }

    /// Changes the login of a camera, and disconnects its clients.
    ///
    /// # Errors
    /// If there is no such mount, or it does not answer.
    pub fn set_login(&self, mount: &str, login: Option<Login>) -> Result<(), SimError> {
        self.mount(mount)?.set_login(login)
    }

    /// Changes how a camera sends RTCP sender reports. "Late" counts from the start of the stream.
    ///
    /// # Errors
    /// If there is no such mount.
    pub fn set_sender_reports(&self, mount: &str, policy: SenderReports) -> Result<(), SimError> {
        self.mount(mount)?.set_sender_reports(policy);
        Ok(())
    }

    /// Sets a camera's clock, which its next sender report shows.
    ///
    /// # Errors
    /// If there is no such mount.
    pub fn set_clock(&self, mount: &str, clock: CameraClock) -> Result<(), SimError> {
        self.mount(mount)?.set_clock(clock);
        Ok(())
    }

    /// The counters of one camera.
    ///
    /// # Errors
    /// If there is no such mount.
    pub fn stats(&self, mount: &str) -> Result<MountStats, SimError> {
        Ok(self.mount(mount)?.board().read())
    }

    /// Waits until the counters of one camera fulfil `condition`.
    ///
    /// # Errors
    /// If there is no such mount, or `limit` passes first; then the error carries the last
    /// counters.
    pub fn wait_for(
        &self,
        mount: &str,
        limit: Duration,
        condition: impl FnMut(&MountStats) -> bool,
    ) -> Result<MountStats, SimError> {
        let mount = self.mount(mount)?;
        mount.board().wait(limit, condition).map_err(|last| SimError::Timeout {
            mount: mount.name().to_owned(),
            last: Box::new(last),
            waited: limit,
        })
    }

    /// Stops the server: closes the port and disconnects all clients of all cameras.
    ///
    /// # Errors
    /// Where a mount does not answer.
    pub fn stop_server(&self) -> Result<(), SimError> {
        if let Some(door) = self.door.lock().take() {
            door.close();
        }
        self.mounts.values().try_for_each(|mount| mount.drop_clients())
    }

    /// Starts the server again on the same port.
    ///
    /// # Errors
    /// Where it is running, or another program has taken the port.
    pub fn restart_server(&self) -> Result<(), SimError> {
        let mut door = self.door.lock();
        match &*door {
            Some(door) => Err(SimError::AlreadyRunning(door.address())),
            None => {
                *door = Some(Door::open(self.address, Arc::clone(&self.mounts))?);
                Ok(())
            }
        }
    }

    /// Executes an operator's command, and returns the text to print.
    ///
    /// # Errors
    /// As the command's method.
    pub fn execute(&self, command: &Command) -> Result<String, SimError> {
        match command {
            Command::Fault(mount, fault) => {
                self.inject(mount, *fault)?;
                Ok(format!("{mount}: {fault}"))
            }
            Command::Clear(mount) => {
                self.clear(mount)?;
                Ok(format!("{mount}: clear"))
            }
            Command::Reports(mount, reports) => {
                self.set_sender_reports(mount, *reports)?;
                Ok(format!("{mount}: sender reports {reports:?}"))
            }
            Command::Clock(mount, clock) => {
                self.set_clock(mount, *clock)?;
                Ok(format!("{mount}: {clock:?}"))
            }
            Command::Stats => Ok(self.mounts.values().fold(String::new(), |mut lines, mount| {
                // Writing to a String cannot fail.
                let _ = writeln!(lines, "{} {}", self.url(mount.name()), mount.board().read());
                lines
            })),
            Command::StopServer => {
                self.stop_server()?;
                Ok("server stopped".to_owned())
            }
            Command::RestartServer => {
                self.restart_server()?;
                Ok(format!("server listens on {}", self.address))
            }
            Command::Help => Ok(Command::HELP.to_owned()),
            // The reader of the commands ends itself and calls `Sim::stop`.
            Command::Quit => Ok(String::new()),
        }
    }

    /// Ends the simulator. After `Ok`, its port, clients, pipelines and threads have ended.
    ///
    /// # Errors
    /// Names the mount that did not end in time.
    pub fn stop(mut self) -> Result<(), SimError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), SimError> {
        for script in self.scripts.drain(..) {
            script.stop();
        }
        if let Some(door) = self.door.lock().take() {
            door.close();
        }
        // Stops all mounts, even if one fails; returns the first error.
        self.mounts.values().map(|mount| mount.stop()).fold(Ok(()), Result::and)
    }

    fn mount(&self, name: &str) -> Result<&Arc<Mount>, SimError> {
        self.mounts.get(name.trim_matches('/')).ok_or_else(|| SimError::UnknownMount {
            mount: name.to_owned(),
            known: self.mounts().collect::<Vec<_>>().join(", "),
        })
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "the simulator did not end cleanly");
        }
    }
}
