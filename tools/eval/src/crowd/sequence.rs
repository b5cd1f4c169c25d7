//! Counts the frames of a sequence as a crowd camera does.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gatehouse_capture::VideoFile;
use gatehouse_core::rate::RateLimit;
use gatehouse_core::time::Monotonic;
use gatehouse_crowd::{CrowdReader, MOST_APART};
use gatehouse_runtime::{PhotoLimits, read_photo};
use serde::Serialize;

use super::count::Counter;
use super::evaluate::CrowdEvalOptions;
use super::examples::Examples;
use super::marks::{Marked, Truth};
use super::report::CountedPicture;
use crate::error::EvalError;
use crate::workers::Progress;

/// Figures of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SequenceFacts {
    /// Analysed frames per second.
    pub analyse_fps: f64,
    /// True if people were tracked. Then the first frame, and a frame too long after the previous
    /// one, are in no figure, because they give no count.
    pub followed: bool,
    /// Largest change of the count between two analysed frames with the same marked number.
    pub most_change_while_still: f64,
}

#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) pictures: Vec<CountedPicture>,
    pub(super) unreadable: usize,
}

fn is_followed(options: &CrowdEvalOptions) -> bool {
    options.follow && Duration::from_secs_f64(1.0 / options.analyse_fps) <= MOST_APART
}

pub(super) fn count_frames(
    frames: &BTreeMap<u32, Marked>,
    per_second: f64,
    reader: &mut CrowdReader,
    options: &CrowdEvalOptions,
    examples: &Examples,
    progress: Progress<'_>,
) -> Result<Counted, EvalError> {
    let mut counter = Counter::new(reader, options, examples, is_followed(options));
    let mut limit = RateLimit::new(options.analyse_fps);
    let mut counted = Counted::default();
    for (done, (number, Marked { picture, truth })) in frames.iter().enumerate() {
        let at = Duration::from_secs_f64(f64::from(number - 1) / per_second);
        if limit.admits(Monotonic::from_start(at)) {
            match read_photo(picture, &PhotoLimits::default()) {
                Ok(photo) => {
                    let name = picture.file_name().unwrap_or_default().to_string_lossy();
                    counted.pictures.extend(counter.count(photo.as_video(), at, Some(truth), (done, &name))?);
                }
                Err(error) => {
                    tracing::warn!("{}: {error}", picture.display());
                    counted.unreadable += 1;
                }
            }
        }
        progress(done + 1, frames.len());
    }
    Ok(counted)
}

/// Counts a video. Unless `all` are marked, marked frames are analysed besides those that are due.
pub(super) fn count_video(
    video: &Path,
    (frames, all): (&BTreeMap<u32, Truth>, bool),
    reader: &mut CrowdReader,
    options: &CrowdEvalOptions,
    examples: &Examples,
    progress: Progress<'_>,
) -> Result<Counted, EvalError> {
    gatehouse_capture::init()?;
    let mut counter = Counter::new(reader, options, examples, is_followed(options));
    let mut limit = RateLimit::new(options.analyse_fps);
    let mut counted = Counted::default();
    let nobody = Truth { heads: Vec::new(), boxes: Some(Vec::new()) };
    let last = frames.keys().next_back().copied().unwrap_or(0);
    let mut read = 0;
    for (frame, number) in VideoFile::open(video)?.zip(1u32..) {
        read = number;
        let frame = frame?;
        let truth = frames.get(&number).or(all.then_some(&nobody));
        let is_due = limit.admits(Monotonic::from_start(frame.at));
        if is_due || (!all && truth.is_some()) {
            let name = format!("frame {number}");
            let picture = frame.picture.picture();
            counted.pictures.extend(counter.count(picture, frame.at, truth, (number as usize, &name))?);
        }
        progress(number as usize, last.max(number) as usize);
        if !all && number >= last {
            break;
        }
    }
    if read < last {
        let reason = format!("frame {last} is marked, and the last one is {read}");
        return Err(EvalError::data_set(video, reason));
    }
    Ok(counted)
}

pub(super) fn facts(counted: &Counted, options: &CrowdEvalOptions) -> SequenceFacts {
    let still = counted.pictures.windows(2).filter_map(|pair| match pair {
        [a, b] if a.marked == b.marked && b.at - a.at <= MOST_APART => Some((b.counted - a.counted).abs()),
        _ => None,
    });
    SequenceFacts {
        analyse_fps: options.analyse_fps,
        followed: is_followed(options),
        most_change_while_still: still.fold(0.0, f64::max),
    }
}
