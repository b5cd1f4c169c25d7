//! Sends access units in real time: one thread per running stream, paced by the pipeline's clock.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;

use crate::{
    clip::{AccessUnit, Clip},
    stats::Board,
};

/// What a mount sends.
#[derive(Debug, Clone)]
pub(crate) enum Show {
    /// The mount's scene.
    Scene,
    /// The key frame shown last, again and again. A key frame decodes to the same picture every time.
    Still,
    /// Another clip, from its start.
    Clip(Arc<Clip>),
    /// The scene, but nothing leaves the server.
    Nothing,
}

/// What a mount sends now, changed by faults and followed by the player.
#[derive(Debug)]
pub(crate) struct Program {
    scene: Arc<Clip>,
    /// So long after a client has joined comes its first picture.
    key_wait: Duration,
    /// The number changes with every change of the show.
    show: Mutex<(u64, Show)>,
    /// Set by the player, together with the switch; read where RTP packets leave the server.
    silent: Arc<AtomicBool>,
}

impl Program {
    pub(crate) fn new(scene: Arc<Clip>, key_wait: Duration) -> Self {
        Self { scene, key_wait, show: Mutex::new((0, Show::Scene)), silent: Arc::default() }
    }

    pub(crate) fn scene(&self) -> &Arc<Clip> {
        &self.scene
    }

    pub(crate) fn change(&self, show: Show) {
        let mut current = self.show.lock().unwrap_or_else(PoisonError::into_inner);
        *current = (current.0 + 1, show);
    }

    /// Holds RTP packets back at `pad` while there is nothing to show. They are dropped here, behind the point where
    /// the server waits for a stream's first packet, so that a client can still connect.
    pub(crate) fn guard(&self, pad: &gst::Pad) {
        let silent = Arc::clone(&self.silent);
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, _| {
            if silent.load(Ordering::Relaxed) { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
        });
    }

    fn show_if_not(&self, known: Option<u64>) -> Option<(u64, Show)> {
        let current = self.show.lock().unwrap_or_else(PoisonError::into_inner);
        (known != Some(current.0)).then(|| current.clone())
    }
}

/// Walks through the clips of a program; every switch begins with a key frame.
struct Cursor<'a> {
    program: &'a Program,
    seen: Option<u64>,
    show: Show,
    /// Index of the next access unit in whatever is shown.
    next: usize,
    /// Where the scene goes on after something else was shown.
    resume: usize,
}

impl<'a> Cursor<'a> {
    fn new(program: &'a Program) -> Self {
        Self { program, seen: None, show: Show::Scene, next: 0, resume: 0 }
    }

    fn next(&mut self) -> (&Clip, &AccessUnit) {
        if let Some((number, show)) = self.program.show_if_not(self.seen) {
            self.seen = Some(number);
            self.switch(show);
        }
        let clip = match &self.show {
            Show::Clip(clip) => clip,
            Show::Scene | Show::Still | Show::Nothing => &self.program.scene,
        };
        let unit = &clip.units()[self.next];
        match self.show {
            Show::Still => {}
            Show::Clip(_) => self.next = (self.next + 1) % clip.units().len(),
            Show::Scene | Show::Nothing => {
                self.next = (self.next + 1) % clip.units().len();
                self.resume = self.next;
            }
        }
        (clip, unit)
    }

    fn switch(&mut self, show: Show) {
        let scene = &self.program.scene;
        self.next = match &show {
            Show::Scene | Show::Nothing => scene.key_at_or_after(self.resume),
            // The unit before `resume` is what the client sees now; at the very start that is the first one.
            Show::Still => scene.key_at_or_before(self.resume.saturating_sub(1)),
            Show::Clip(_) => 0,
        };
        self.program.silent.store(matches!(show, Show::Nothing), Ordering::Relaxed);
        self.show = show;
    }
}

/// Counts a running stream for as long as it lives.
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

/// The wall time, since 1970.
pub(crate) fn now() -> Duration {
    Duration::from_micros(u64::try_from(gst::glib::real_time()).unwrap_or_default())
}

/// Plays the program into `source` until its pipeline stops.
///
/// Timestamps are continuous: picture `n` has the running time `start + n / fps`, over the seam of the loop and over
/// every switch, and is sent when that time has come; where a clip has B-frames, it is shown some pictures later.
pub(crate) fn play(source: &gst_app::AppSrc, program: &Program, board: &Board) {
    let _streaming = Streaming::begin(board);
    let fps = u64::from(program.scene.encoding.fps);
    let at = |n: u64| gst::ClockTime::from_nseconds(n * gst::ClockTime::SECOND.nseconds() / fps);
    // Both are there once the pipeline plays, which it does by the time it asks for data.
    let (Some(clock), Some(base)) = (source.clock(), source.base_time()) else { return };
    let key_wait = gst::ClockTime::from_nseconds(u64::try_from(program.key_wait.as_nanos()).unwrap_or(u64::MAX));
    let start = clock.time().saturating_sub(base) + key_wait;
    board.update(|stats| stats.began = Some(now()));
    let mut cursor = Cursor::new(program);
    let mut congested = false;
    for n in 0.. {
        let due = start + at(n);
        // "Early" and "late" are both fine; an error can only be that the clock is gone.
        if matches!(clock.new_single_shot_id(base + due).wait().0, Err(gst::ClockError::Unscheduled)) {
            return;
        }
        let (clip, unit) = cursor.next();
        // A client that described the stream but never plays leaves the queue standing: skip whole groups of pictures
        // rather than keep them for later.
        let queued: u64 = source.property("current-level-buffers");
        congested = if congested { !unit.key || queued > 0 } else { queued >= fps };
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
    use crate::encode::Encoding;

    /// A clip whose access units hold their own number plus `first`.
    fn clip(first: u8, keys: &[bool]) -> Arc<Clip> {
        gst::init().unwrap();
        let units =
            keys.iter().zip(first..).map(|(&key, byte)| AccessUnit { bytes: [byte].into(), key, later: 0 }).collect();
        Arc::new(Clip::new("test", Encoding::default(), units).unwrap())
    }

    fn take(cursor: &mut Cursor<'_>, count: usize) -> Vec<u8> {
        (0..count).map(|_| cursor.next().1.bytes[0]).collect()
    }

    #[test]
    fn the_scene_loops_and_every_switch_begins_with_a_key_frame() {
        let program = Program::new(clip(0, &[true, false, false, true, false]), Duration::ZERO);
        let mut cursor = Cursor::new(&program);
        assert_eq!(take(&mut cursor, 7), [0, 1, 2, 3, 4, 0, 1]);
        program.change(Show::Clip(clip(10, &[true, false])));
        assert_eq!(take(&mut cursor, 3), [10, 11, 10]);
        program.change(Show::Scene);
        assert_eq!(take(&mut cursor, 3), [3, 4, 0], "goes on at the next key frame");
    }

    #[test]
    fn a_still_repeats_the_last_key_frame() {
        let program = Program::new(clip(0, &[true, false, false, true, false]), Duration::ZERO);
        let mut cursor = Cursor::new(&program);
        take(&mut cursor, 3);
        program.change(Show::Still);
        assert_eq!(take(&mut cursor, 3), [0, 0, 0]);
        program.change(Show::Scene);
        take(&mut cursor, 1);
        program.change(Show::Still);
        assert_eq!(take(&mut cursor, 2), [3, 3]);
    }

    #[test]
    fn a_still_before_the_first_picture_is_the_first_picture() {
        let program = Program::new(clip(0, &[true, false]), Duration::ZERO);
        program.change(Show::Still);
        assert_eq!(take(&mut Cursor::new(&program), 2), [0, 0]);
    }

    #[test]
    fn silence_ends_with_a_key_frame() {
        let program = Program::new(clip(0, &[true, false, false]), Duration::ZERO);
        let mut cursor = Cursor::new(&program);
        take(&mut cursor, 1);
        program.change(Show::Nothing);
        take(&mut cursor, 2);
        assert!(program.silent.load(Ordering::Relaxed));
        program.change(Show::Scene);
        assert_eq!(take(&mut cursor, 1), [0]);
        assert!(!program.silent.load(Ordering::Relaxed));
    }
}
