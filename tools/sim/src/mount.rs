//! One simulated camera: an RTSP server with its own thread, main context, sessions and login.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_rtsp::RTSPLowerTrans;
use gstreamer_rtsp_server::{
    RTSPAuth, RTSPFilterResult, RTSPMedia, RTSPMediaFactory, RTSPServer, RTSPThreadPool, gio, glib, prelude::*,
};
use parking_lot::Mutex;

use crate::{
    CameraClock, ClipLibrary, Fault, Login, MountConfig, Scene, SenderReports, SimError, auth,
    clip::Clip,
    encode::Encoding,
    error::spawn,
    player::{self, Pacing, Program, Show},
    reports::ReportGate,
    stats::Board,
};

/// Deadline for a task on a mount's thread, and for the mount's end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two checks for expired sessions of UDP clients.
const SESSION_SWEEP: Duration = Duration::from_secs(5);

pub(crate) struct Mount {
    pub(crate) config: MountConfig,
    library: ClipLibrary,
    parts: Arc<Parts>,
    server: RTSPServer,
    context: glib::MainContext,
    main_loop: glib::MainLoop,
    thread: Mutex<Option<JoinHandle<()>>>,
    refusing: AtomicBool,
    /// The login without a fault. Locked while a fault is applied, so that faults do not
    /// interleave.
    login: Mutex<Option<Login>>,
}

/// State that the server's callbacks share.
struct Parts {
    name: String,
    board: Arc<Board>,
    program: Program,
    reports: ReportGate,
    players: Mutex<Vec<JoinHandle<()>>>,
}

impl Mount {
    /// Encodes the scene (unless `library` has it) and starts the mount's thread.
    pub(crate) fn start(config: MountConfig, library: ClipLibrary) -> Result<Self, SimError> {
        let name = config.name().to_owned();
        let failed = |source| SimError::Clip { mount: name.clone(), source };
        let scene = library.get(&config.scene, &config.encoding()).map_err(failed)?;
        let parts = Arc::new(Parts {
            name: name.clone(),
            board: Arc::default(),
            program: Program::new(scene, Pacing::of(&config)),
            reports: ReportGate::default(),
            players: Mutex::default(),
        });
        parts.reports.set(config.sender_reports);
        parts.reports.set_clock(config.clock);

        let server = RTSPServer::new();
        // Without pool threads, clients are served on the mount's own thread.
        let pool = RTSPThreadPool::new();
        pool.set_max_threads(0);
        server.set_thread_pool(Some(&pool));
        if let Some(mount_points) = server.mount_points() {
            mount_points.add_factory(&format!("/{name}"), parts.factory(&config));
        }
        let board = Arc::clone(&parts.board);
        server.connect_client_connected(move |_, client| watch_client(client, &board));

        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let login = config.auth.clone();
        let mount = Self {
            config,
            library,
            parts,
            server,
            context,
            main_loop,
            thread: Mutex::default(),
            refusing: AtomicBool::new(false),
            login: Mutex::new(login.clone()),
        };
        for fault in mount.config.prepare_faults.iter().chain(mount.config.faults.iter().map(|fault| &fault.kind)) {
            mount.fault_clip(*fault)?;
        }
        mount.use_login(login.as_ref());
        mount.start_thread()?;
        Ok(mount)
    }

    fn start_thread(&self) -> Result<(), SimError> {
        let (context, main_loop, server) = (self.context.clone(), self.main_loop.clone(), self.server.clone());
        let thread = spawn(&format!("sim-{}", self.name()), move || {
            let sweep = glib::timeout_source_new(SESSION_SWEEP, None, glib::Priority::LOW, move || {
                if let Some(sessions) = server.session_pool() {
                    sessions.cleanup();
                }
                glib::ControlFlow::Continue
            });
            sweep.attach(Some(&context));
            // Fails only if another thread owns the context; no other thread has it.
            let _ = context.with_thread_default(|| main_loop.run());
            sweep.destroy();
        })?;
        *self.thread.lock() = Some(thread);
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        &self.parts.name
    }

    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.parts.board
    }

    pub(crate) fn is_refusing(&self) -> bool {
        self.refusing.load(Ordering::Relaxed)
    }

    /// Accepts a connection from which `head` was already read.
    pub(crate) fn accept(&self, socket: OwnedFd, ip: String, port: u16, head: String) {
        let server = self.server.clone();
        let name = self.name().to_owned();
        self.context.spawn(async move {
            let accepted = gio::Socket::from_fd(socket).map_err(|error| error.to_string()).and_then(|socket| {
                server.transfer_connection(socket, &ip, i32::from(port), Some(&head)).map_err(|error| error.to_string())
            });
            if let Err(error) = accepted {
                tracing::warn!(mount = name, error, "cannot accept a connection; its client is disconnected");
            }
        });
    }

    /// Applies a fault, and ends a lasting fault that was active before.
    pub(crate) fn inject(&self, fault: Fault) -> Result<(), SimError> {
        // Encoded before anything changes, while the stream goes on.
        let clip = self.fault_clip(fault)?;
        let login = self.login.lock();
        tracing::info!(mount = self.name(), %fault, "fault injected");
        // A dropped connection is no lasting fault, so it does not end one.
        if fault != Fault::Drop {
            self.end_fault(login.as_ref());
        }
        match fault {
            Fault::Drop => self.drop_clients()?,
            Fault::Refuse => {
                self.refusing.store(true, Ordering::Relaxed);
                self.drop_clients()?;
            }
            Fault::Freeze => self.parts.program.change(Show::Still),
            Fault::Silence => self.parts.program.change(Show::Nothing),
            Fault::Black | Fault::Resolution { .. } => {
                if let Some(clip) = clip {
                    self.parts.program.change(Show::Clip(clip));
                }
            }
            Fault::WrongPassword => {
                self.use_login(Some(&Login::with_changed_password(login.as_ref())));
                self.drop_clients()?;
            }
        }
        Ok(())
    }

    /// Ends the active fault.
    pub(crate) fn clear(&self) {
        let login = self.login.lock();
        self.end_fault(login.as_ref());
        tracing::info!(mount = self.name(), "fault cleared");
    }

    fn end_fault(&self, login: Option<&Login>) {
        self.refusing.store(false, Ordering::Relaxed);
        self.parts.program.change(Show::Scene);
        self.use_login(login);
    }

    pub(crate) fn set_sender_reports(&self, policy: SenderReports) {
        self.parts.reports.set(policy);
    }

    pub(crate) fn set_clock(&self, clock: CameraClock) {
        self.parts.reports.set_clock(clock);
    }

    /// Changes the login permanently. Disconnects the clients, as a camera does when its settings
    /// are saved.
    pub(crate) fn set_login(&self, login: Option<Login>) -> Result<(), SimError> {
        let mut current = self.login.lock();
        self.use_login(login.as_ref());
        *current = login;
        self.drop_clients()
    }

    /// Applies to new connections.
    fn use_login(&self, login: Option<&Login>) {
        let auth = login.map(|login| login.guard(&self.parts.board));
        self.server.set_auth(auth.as_ref().map(|auth| auth.upcast_ref::<RTSPAuth>()));
    }

    /// The clip that a fault shows instead of the scene, encoded if it is not in the library.
    fn fault_clip(&self, fault: Fault) -> Result<Option<Arc<Clip>>, SimError> {
        let encoding = self.parts.program.scene.encoding;
        let (scene, encoding) = match fault {
            Fault::Black => (&Scene::Black, encoding),
            Fault::Resolution { width, height } => (&self.config.scene, Encoding { width, height, ..encoding }),
            Fault::Drop | Fault::Refuse | Fault::Freeze | Fault::Silence | Fault::WrongPassword => return Ok(None),
        };
        let clip = self.library.get(scene, &encoding);
        clip.map(Some).map_err(|source| SimError::Clip { mount: self.name().to_owned(), source })
    }

    /// Ends every session and every connection, and returns when that is done.
    pub(crate) fn drop_clients(&self) -> Result<(), SimError> {
        self.on_thread("disconnect its clients", disconnect_all)
    }

    /// Runs `task` on the mount's thread and waits for it.
    fn on_thread(&self, what: &str, task: impl FnOnce(&RTSPServer) + Send + 'static) -> Result<(), SimError> {
        let (done, finished) = mpsc::channel();
        let server = self.server.clone();
        self.context.spawn(async move {
            task(&server);
            // Fails if the wait has timed out.
            let _ = done.send(());
        });
        finished
            .recv_timeout(PATIENCE)
            .map_err(|_| SimError::Unresponsive(format!("mount {} did not {what} within {PATIENCE:?}", self.name())))
    }

    /// Ends the mount: its clients, streams, pipelines and threads. Once it has returned `Ok`,
    /// nothing is left.
    pub(crate) fn stop(&self) -> Result<(), SimError> {
        let Some(thread) = self.thread.lock().take() else { return Ok(()) };
        let path = format!("/{}", self.name());
        let stopped = self
            .on_thread("let its clients go", move |server| {
                if let Some(mount_points) = server.mount_points() {
                    mount_points.remove_factory(&path);
                }
                disconnect_all(server);
            })
            .and_then(|()| {
                self.board().wait(PATIENCE, |stats| (stats.clients, stats.streams, stats.media) == (0, 0, 0)).map_err(
                    |last| SimError::Timeout { mount: self.name().to_owned(), last: Box::new(last), waited: PATIENCE },
                )
            });
        self.main_loop.quit();
        stopped?;
        let players = std::mem::take(&mut *self.parts.players.lock());
        for thread in players.into_iter().chain([thread]) {
            if thread.join().is_err() {
                tracing::error!(mount = self.name(), "a thread of the mount had panicked");
            }
        }
        Ok(())
    }
}

impl Drop for Mount {
    /// Stops a mount whose simulator failed during its start.
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "a mount did not end cleanly");
        }
    }
}

impl Parts {
    fn factory(self: &Arc<Self>, config: &MountConfig) -> RTSPMediaFactory {
        let factory = RTSPMediaFactory::new();
        factory.set_launch(&format!(
            "( appsrc name=video is-live=true format=time max-bytes=0 ! {} name=pay0 pt=96 )",
            config.codec.payloader()
        ));
        factory.set_shared(true);
        factory.set_protocols(RTSPLowerTrans::UDP | RTSPLowerTrans::TCP);
        factory.add_role_from_structure(&auth::viewer_role());
        let parts = Arc::clone(self);
        let caps = config.codec.caps();
        factory.connect_media_configure(move |_, media| parts.configure(media, &caps));
        factory
    }

    /// Called when the first client asks for the stream; all others share it.
    fn configure(self: &Arc<Self>, media: &RTSPMedia, caps: &gst::Caps) {
        self.board.update(|stats| stats.media += 1);
        let board = Arc::clone(&self.board);
        media.add_weak_ref_notify(move || board.update(|stats| stats.media -= 1));

        let element = media.element();
        // The server makes the `rtpbin` when it prepares the media.
        if let Some(pipeline) = element.parent().and_downcast::<gst::Bin>() {
            let parts = Arc::clone(self);
            pipeline.connect_element_added(move |_, element| {
                if element.factory().is_some_and(|factory| factory.name() == "rtpbin") {
                    parts.guard_rtp(element);
                }
            });
        }

        let source = element
            .downcast::<gst::Bin>()
            .ok()
            .and_then(|bin| bin.by_name("video"))
            .and_then(|source| source.downcast::<gst_app::AppSrc>().ok());
        let Some(source) = source else {
            tracing::error!(mount = self.name, "the media has no source");
            return;
        };
        source.set_caps(Some(caps));
        let mut parts = Some(Arc::clone(self));
        source.set_callbacks(
            gst_app::AppSrcCallbacks::builder()
                .need_data(move |source, _| {
                    // The first call: the clock runs from now on.
                    if let Some(parts) = parts.take() {
                        parts.start_player(source.clone());
                    }
                })
                .build(),
        );
    }

    fn guard_rtp(self: &Arc<Self>, rtpbin: &gst::Element) {
        let parts = Arc::clone(self);
        rtpbin.connect_pad_added(move |_, pad| {
            let name = pad.name();
            if name.starts_with("send_rtcp_src") {
                parts.reports.guard(pad);
            } else if name.starts_with("send_rtp_src") {
                parts.program.guard(pad);
            }
        });
    }

    fn start_player(self: Arc<Self>, source: gst_app::AppSrc) {
        let parts = Arc::clone(&self);
        match spawn("sim-player", move || player::play(&source, &parts.program, &parts.board)) {
            Ok(player) => {
                let mut players = self.players.lock();
                players.retain(|player| !player.is_finished());
                players.push(player);
            }
            Err(error) => tracing::error!(mount = self.name, %error, "cannot start the player's thread"),
        }
    }
}

fn watch_client(client: &gstreamer_rtsp_server::RTSPClient, board: &Arc<Board>) {
    board.update(|stats| {
        stats.clients += 1;
        stats.connections += 1;
    });
    let counter = Arc::clone(board);
    client.connect_closed(move |_| counter.update(|stats| stats.clients -= 1));
    let counter = Arc::clone(board);
    client.connect_pre_describe_request(move |_, _| {
        counter.update(|stats| stats.describes += 1);
        gstreamer_rtsp::RTSPStatusCode::Ok
    });
    let counter = Arc::clone(board);
    client.connect_play_request(move |_, _| counter.update(|stats| stats.plays += 1));
}

/// Ends sessions first, because a UDP client's session outlives its connection.
fn disconnect_all(server: &RTSPServer) {
    if let Some(sessions) = server.session_pool() {
        sessions.filter(Some(&mut |_, _| RTSPFilterResult::Remove));
    }
    server.client_filter(Some(&mut |_, _| RTSPFilterResult::Remove));
}
