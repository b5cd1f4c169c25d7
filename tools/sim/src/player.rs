//! Sends access units in real time: one thread per running stream, paced by the pipeline's clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use crate::{
    clip::{AccessUnit, Clip},
    config::MountConfig,
    stats::Board,
};

/// The content that a mount sends.
#[derive(Debug, Clone)]
pub(crate) enum Show {
    Scene,
    /// The last key frame, repeated. A key frame always decodes to the same picture.
    Still,
    /// Another clip, from its start.
    Clip(Arc<Clip>),
    /// The scene, whose packets are dropped in the server.
    Nothing,
}

/// When a mount sends its pictures.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pacing {
    /// Time from a client's start to its first picture.
    pub(crate) key_wait: Duration,
    /// Time from one picture to the next; zero: as the clip says.
    pub(crate) frame: Duration,
    /// Pictures are held back and sent at once after this time; zero: none is.
    pub(crate) burst: Duration,
    /// Pictures of the scene before the first one that is sent.
    pub(crate) join: usize,
}

impl Pacing {
    pub(crate) fn of(config: &MountConfig) -> Self {
        let [key_wait, frame, burst] =
            [config.key_wait_seconds, config.frame_seconds, config.burst_seconds].map(Duration::from_secs_f64);
        Self { key_wait, frame, burst, join: (config.join_seconds * f64::from(config.fps)).round() as usize }
    }
}

/// The current content of a mount, which faults change and the player follows.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) scene: Arc<Clip>,
    pacing: Pacing,
    /// The content, with a number that changes with it.
    show: Mutex<(u64, Show)>,
    /// Set by the player when it switches; read where RTP packets leave the server.
    silent: Arc<AtomicBool>,
}

impl Program {
    pub(crate) fn new(scene: Arc<Clip>, pacing: Pacing) -> Self {
        Self { scene, pacing, show: Mutex::new((0, Show::Scene)), silent: Arc::default() }
    }

    pub(crate) fn change(&self, show: Show) {
        let mut current = self.show.lock();
        *current = (current.0 + 1, show);
    }

    /// Drops the RTP packets at `pad` during silence. This point lies behind the one where the
    /// server waits for a stream's first packet, so that a client can still connect.
    pub(crate) fn guard(&self, pad: &gst::Pad) {
        let silent = Arc::clone(&self.silent);
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, _| {
            if silent.load(Ordering::Relaxed) { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
        });
    }

    fn show_unless(&self, known: Option<u64>) -> Option<(u64, Show)> {
        let current = self.show.lock();
        (known != Some(current.0)).then(|| current.clone())
    }
}

/// The position in the clips of a program. Every switch begins with a key frame.
struct Cursor<'a> {
    program: &'a Program,
    seen: Option<u64>,
    show: Show,
    /// Index of the next access unit in the current content.
    next: usize,
    /// Position at which the scene continues after other content.
    resume: usize,
}

impl<'a> Cursor<'a> {
    fn new(program: &'a Program) -> Self {
        let next = program.pacing.join % program.scene.units.len();
        Self { program, seen: Some(0), show: Show::Scene, next, resume: next }
    }

    fn next(&mut self) -> (&Clip, &AccessUnit) {
        if let Some((number, show)) = self.program.show_unless(self.seen) {
            self.seen = Some(number);
            self.switch(show);
        }
        let clip = match &self.show {
            Show::Clip(clip) => clip,
            Show::Scene | Show::Still | Show::Nothing => &self.program.scene,
        };
        let unit = &clip.units[self.next];
        match self.show {
            Show::Still => {}
            Show::Clip(_) => self.next = (self.next + 1) % clip.units.len(),
            Show::Scene | Show::Nothing => {
                self.next = (self.next + 1) % clip.units.len();
                self.resume = self.next;
            }
        }
        (clip, unit)
    }

    fn switch(&mut self, show: Show) {
        let scene = &self.program.scene;
        self.next = match &show {
            Show::Scene | Show::Nothing => scene.key_at_or_after(self.resume),
            // The client sees the unit before `resume`; at the start it sees the first unit.
            Show::Still => scene.key_at_or_before(self.resume.saturating_sub(1)),
            Show::Clip(_) => 0,
        };
        self.program.silent.store(matches!(show, Show::Nothing), Ordering::Relaxed);
        self.show = show;
    }
}

/// Counts a running stream until dropped.
struct Streaming<'a>(&'a Board);

impl<'a> Streaming<'a> {
    fn begin(board: &'a Board) -> Self {
        board.update(|stats| stats.streams += 1);
        Self(board)
    }
}

impl Drop for Streaming<'_> {
    fn drop(&mut self) {
        self.0.update(|stats| stats.streams -= 1);
    }
}

/// Wall-clock time since 1970.
pub(crate) fn now() -> Duration {
    Duration::from_micros(u64::try_from(gst::glib::real_time()).unwrap_or_default())
}

/// Plays the program into `source` until its pipeline stops.
///
/// Timestamps are continuous: picture `n` has the running time `start + n / fps`, over the seam of
/// the loop and over every switch, and is sent at that time. In a clip with B-frames it is shown
/// some pictures later.
pub(crate) fn play(source: &gst_app::AppSrc, program: &Program, board: &Board) {
    let _streaming = Streaming::begin(board);
    let fps = u64::from(program.scene.encoding.fps);
    let Pacing { key_wait, frame, burst, .. } = program.pacing;
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let at = |n: u64| {
        let second = gst::ClockTime::SECOND.nseconds();
        gst::ClockTime::from_nseconds(if frame.is_zero() { n * second / fps } else { n * nanos(frame) })
    };
    let sent_at = |n: u64| {
        if burst.is_zero() {
            at(n)
        } else {
            gst::ClockTime::from_nseconds(at(n).nseconds().next_multiple_of(nanos(burst)))
        }
    };
    let queue_limit = fps.max(2 * fps * burst.as_secs());
    // A pipeline that asks for data plays, so it has both.
    let (Some(clock), Some(base)) = (source.clock(), source.base_time()) else { return };
    let start = clock.time().saturating_sub(base) + gst::ClockTime::from_nseconds(nanos(key_wait));
    board.update(|stats| stats.began = Some(now()));
    let mut cursor = Cursor::new(program);
    let mut congested = false;
    for n in 0.. {
        let due = start + at(n);
        // Early and late are both accepted. An error means that the clock no longer exists.
        if matches!(clock.new_single_shot_id(base + start + sent_at(n)).wait().0, Err(gst::ClockError::Unscheduled)) {
            return;
        }
        let (clip, unit) = cursor.next();
        // A client that sends DESCRIBE and never PLAY leaves the queue full: whole groups of
        // pictures are skipped, not queued.
        let queued: u64 = source.property("current-level-buffers");
        congested = if congested { !unit.key || queued > 0 } else { queued >= queue_limit };
        if congested {
            continue;
        }
        let mut buffer = gst::Buffer::from_slice(Arc::clone(&unit.bytes));
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(start + at(clip.shown(n, unit)));
            buffer.set_dts(due);
            buffer.set_duration(at(n + 1) - at(n));
            if !unit.key {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        if source.push_buffer(buffer).is_err() {
            return;
        }
        board.update(|stats| stats.pictures += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scene;

    /// A clip whose access units contain their own number plus `first`.
    fn clip(first: u8, keys: &[bool]) -> Arc<Clip> {
        gst::init().unwrap();
        let units =
            keys.iter().zip(first..).map(|(&key, byte)| AccessUnit { bytes: [byte].into(), key, later: 0 }).collect();
        Arc::new(Clip::new("test", MountConfig::new("test", Scene::Black).encoding(), units).unwrap())
    }

    fn next_units(cursor: &mut Cursor<'_>, count: usize) -> Vec<u8> {
        (0..count).map(|_| cursor.next().1.bytes[0]).collect()
    }

    #[test]
    fn the_scene_loops_and_every_switch_begins_with_a_key_frame() {
        let program = Program::new(clip(0, &[true, false, false, true, false]), Pacing::default());
        let mut cursor = Cursor::new(&program);
        assert_eq!(next_units(&mut cursor, 7), [0, 1, 2, 3, 4, 0, 1]);
        program.change(Show::Clip(clip(10, &[true, false])));
        assert_eq!(next_units(&mut cursor, 3), [10, 11, 10]);
        program.change(Show::Scene);
        assert_eq!(next_units(&mut cursor, 3), [3, 4, 0], "goes on at the next key frame");
    }

    #[test]
    fn a_still_repeats_the_last_key_frame() {
        let program = Program::new(clip(0, &[true, false, false, true, false]), Pacing::default());
        let mut cursor = Cursor::new(&program);
        next_units(&mut cursor, 3);
        program.change(Show::Still);
        assert_eq!(next_units(&mut cursor, 3), [0, 0, 0]);
        program.change(Show::Scene);
        next_units(&mut cursor, 1);
        program.change(Show::Still);
        assert_eq!(next_units(&mut cursor, 2), [3, 3]);
    }

    #[test]
    fn a_still_before_the_first_picture_is_the_first_picture() {
        let program = Program::new(clip(0, &[true, false]), Pacing::default());
        program.change(Show::Still);
        assert_eq!(next_units(&mut Cursor::new(&program), 2), [0, 0]);
    }

    #[test]
    fn a_client_can_join_between_key_frames() {
        let pacing = Pacing { join: 7, ..Pacing::default() };
        let program = Program::new(clip(0, &[true, false, false, true, false]), pacing);
        assert_eq!(next_units(&mut Cursor::new(&program), 4), [2, 3, 4, 0]);
    }

    #[test]
    fn silence_ends_with_a_key_frame() {
        let program = Program::new(clip(0, &[true, false, false]), Pacing::default());
        let mut cursor = Cursor::new(&program);
        next_units(&mut cursor, 1);
        program.change(Show::Nothing);
        next_units(&mut cursor, 2);
        assert!(program.silent.load(Ordering::Relaxed));
        program.change(Show::Scene);
        assert_eq!(next_units(&mut cursor, 1), [0]);
        assert!(!program.silent.load(Ordering::Relaxed));
    }
}
