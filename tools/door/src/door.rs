//! A door's controller, from its configuration to a clean stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use gatehouse_bus::{BusOptions, Watcher};
use gatehouse_config::{self as config, Fail};
use gatehouse_core::door::{DoorEvent, LogHead};
use gatehouse_core::key::SiteKey;
use gatehouse_core::time::Clock;
use gatehouse_credential::SiteVerifier;
use parking_lot::Mutex;

use crate::actuator;
use crate::bus::Listening;
use crate::controller::{Controller, Rules};
use crate::driver::{Driver, Hold};
use crate::error::DoorError;
use crate::folder::{Folder, log_path};
use crate::link::Link;
use crate::log_file::{Happened, LogFile};
use crate::node_clock::NodeClock;
use crate::release::{Desk, Listener, Marker};

/// A running controller.
///
/// Locks: `state`, `link`, the node's clock and the log are leaves; none is taken while another is
/// held.
pub struct Door {
    driver: Arc<Driver>,
    listener: Listener,
    stopping: Arc<AtomicBool>,
    /// Receives the watcher when `door-bus` ends.
    listened: Receiver<Watcher>,
    log: Arc<Mutex<LogFile>>,
    state: Arc<Mutex<DoorEvent>>,
    clock: Arc<dyn Clock>,
    fail: Fail,
    /// Holds the folder's lock.
    _folder: Arc<Folder>,
}

/// Builds the rules of a configured door.
///
/// # Errors
/// If the site's public key cannot be read.
pub fn rules(door: &config::Door) -> Result<Rules, DoorError> {
    let key = config::PublicKeyRef::Key(door.public_key.resolve()?).to_string();
    Ok(Rules {
        site: SiteKey::new(&door.area, &door.site).to_string(),
        gate: door.gate.clone(),
        verifier: SiteVerifier::from_text(&key)?,
        max_age: door.max_age,
        clock_error: door.clock_error,
    })
}

impl Door {
    /// Starts the threads: first those that an emergency needs, then the bus. Takes up to half a
    /// second while the node is not there; zenoh then looks for it in the background.
    ///
    /// # Errors
    /// If the key, the actuator's secret, the folder, the socket or the bus cannot be used.
    pub fn start(file: &config::DoorFile, clock: Arc<dyn Clock>) -> Result<Self, DoorError> {
        let door = &file.door;
        let rules = rules(door)?;
        let gate = rules.gate.clone();
        let (opener, holder) = (actuator::build(&file.actuator)?, actuator::build(&file.actuator)?);
        let folder = Arc::new(Folder::open(&door.data)?);
        let started = clock.wall();
        let controller = Controller { rules, memory: folder.memory()?, started: clock.monotonic() };
        // Saved at once: a folder that can't be written shows at the start, not at the first entry.
        folder
            .remember(&controller.memory)
            .map_err(|source| DoorError::Folder { folder: door.data.clone(), source })?;
        let mut log = LogFile::open(&log_path(door), started)?;
        let marker = Marker::in_folder(&door.data);
        let was_released = marker.reason();
        log.append(started, Happened::Started { door: door.id.clone(), released: was_released.is_some() })?;
        if let Some(reason) = &was_released {
            tracing::warn!("the door is still released; it stays open until it is reset (reason: {reason})");
        }
        let log = Arc::new(Mutex::new(log));
        let hold = Hold { released: was_released.is_some(), failed_safe: false };
        let driver = Driver::start(opener, holder, door.open_for, hold, Arc::clone(&clock));
        let driver = Arc::new(driver.map_err(DoorError::Thread)?);
        let link = Arc::new(Mutex::new(Link::new(clock.monotonic(), door.lost_after)));
        let state = Arc::new(Mutex::new(DoorEvent {
            door: door.id.clone(),
            gate,
            released: hold.released,
            failed_safe: false,
            actuator_works: true,
            openings: 0,
            since: started,
            log: LogHead::default(),
            refused_in_a_row: 0,
            warning: None,
            node_clock_offset_ms: None,
        }));
        let desk = Desk {
            driver: Arc::clone(&driver),
            marker,
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            // Time for the command in progress, then for the new one.
            confirm_within: file.actuator.timeout * 2 + Duration::from_millis(500),
            link: Arc::clone(&link),
            fail: door.fail,
            state: Arc::clone(&state),
        };
        let socket = file.release_socket();
        let listener = Listener::start(&socket, desk).map_err(|source| DoorError::Socket { socket, source })?;
        let site = SiteKey::new(&door.area, &door.site);
        let stopping = Arc::new(AtomicBool::new(false));
        let (give_back, listened) = mpsc::channel();
        let open_bus = || -> Result<(), DoorError> {
            let texts = |list: &[config::Endpoint]| list.iter().map(|endpoint| endpoint.as_str().to_owned()).collect();
            let bus = &file.bus;
            let (listen, connect) = (texts(&bus.listen), texts(&bus.connect));
            let options = BusOptions { mode: bus.mode, listen, connect, gossip: bus.gossip };
            // All events of the gate: entries, tallies and camera health.
            let watcher = Watcher::open(&options, &format!("{site}/*/{}/*", door.gate))?;
            let listening = Listening {
                nodes: watcher.nodes(&site.alive(&door.node))?,
                announcer: watcher.announcer(&site.door(&door.id))?,
                watcher,
                clock_key: site.clock(&door.node),
                node_clock: Arc::new(Mutex::new(NodeClock::new(door.clock_error))),
                controller,
                folder: Arc::clone(&folder),
                driver: Arc::clone(&driver),
                link,
                log: Arc::clone(&log),
                state: Arc::clone(&state),
                clock: Arc::clone(&clock),
                stopping: Arc::clone(&stopping),
            };
            let listen = move || drop(give_back.send(listening.run()));
            thread::Builder::new().name("door-bus".to_owned()).spawn(listen).map_err(DoorError::Thread)?;
            Ok(())
        };
        if let Err(error) = open_bus() {
            listener.stop();
            return Err(error);
        }
        Ok(Self { driver, listener, stopping, listened, log, state, clock, fail: door.fail, _folder: folder })
    }

    /// The door's state as last published.
    pub fn state(&self) -> DoorEvent {
        self.state.lock().clone()
    }

    /// Stops the controller. A door that is released or fails safe stays open; any other is shut.
    /// Returns what did not end within `deadline`.
    pub fn stop(self, deadline: Duration) -> Vec<String> {
        let mut late = Vec::new();
        self.stopping.store(true, Ordering::Release);
        match self.listened.recv_timeout(deadline) {
            Ok(watcher) => late.extend(watcher.close(deadline).err().map(|error| error.to_string())),
            Err(_) => late.push("the bus thread did not end in time".to_owned()),
        }
        // Last, since a release may still be needed until the bus is closed.
        self.listener.stop();
        if self.fail == Fail::Safe {
            self.driver.set_hold(|hold| hold.failed_safe = true);
            tracing::warn!("the door is left open (fail = \"safe\")");
        }
        late.extend(self.driver.stop(deadline).into_iter().map(|name| format!("{name} did not end in time")));
        let open = self.driver.position().hold.any();
        let mut log = self.log.lock();
        late.extend(log.append(self.clock.wall(), Happened::Stopped { open }).err().map(|error| error.to_string()));
        late
    }
}
