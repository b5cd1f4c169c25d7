//! MOTChallenge (Leal-Taixé et al., 2015): `gt/gt.txt` with a box a line, and the frames of the
//! video in `img1/`, at the rate in `seqinfo.ini`; or, in place of both, the video itself.

use std::collections::BTreeMap;
use std::path::Path;

use gatehouse_picture::Rect;

use super::{Marked, Marks, Truth, video};
use crate::error::EvalError;

pub(super) const MARKS: &str = "gt/gt.txt";
const FRAMES: &str = "img1";
const RATE: &str = "seqinfo.ini";
/// The class of pedestrians in MOT16 and later. Earlier sets have −1 or a world coordinate there.
const PEDESTRIAN: f64 = 1.0;

/// The frames, with the boxes that count. Without a frame rate people can't be tracked.
pub(super) fn read(folder: &Path) -> Result<Marks, EvalError> {
    let path = folder.join(MARKS);
    let text = text(&path)?;
    let mut boxes = parse(&text).map_err(|reason| EvalError::data_set(&path, reason))?;
    let img1 = folder.join(FRAMES);
    if let Some(video) = video(folder).filter(|_| !img1.is_dir()) {
        return Ok(Marks::Video { video, frames: boxes, all: true });
    }
    let nobody = || Truth { heads: Vec::new(), boxes: Some(Vec::new()) };
    let mut frames = BTreeMap::new();
    let unreadable = EvalError::unreadable(&img1);
    for entry in std::fs::read_dir(&img1).map_err(unreadable)? {
        let picture = entry.map_err(unreadable)?.path();
        // 000001.jpg is frame 1.
        if let Some(number) = number(&picture) {
            frames.insert(number, Marked { picture, truth: boxes.remove(&number).unwrap_or_else(nobody) });
        }
    }
    if frames.is_empty() {
        let reason = format!("{} has no pictures with the numbers of frames", img1.display());
        return Err(EvalError::data_set(&path, reason));
    }
    let rate = folder.join(RATE);
    if !rate.is_file() {
        return Ok(Marks::Pictures(frames.into_values().collect()));
    }
    let per_second = per_second(&self::text(&rate)?)
        .ok_or_else(|| EvalError::data_set(&rate, "expected a line `frameRate=` with the frames a second, above 0"))?;
    Ok(Marks::Frames { frames, per_second })
}

fn text(path: &Path) -> Result<String, EvalError> {
    std::fs::read_to_string(path).map_err(EvalError::unreadable(path))
}

fn number(picture: &Path) -> Option<u32> {
    picture.file_stem()?.to_str()?.parse().ok()
}

fn per_second(seqinfo: &str) -> Option<f64> {
    let rate = seqinfo.lines().find_map(|line| line.trim().strip_prefix("frameRate")?.trim().strip_prefix('='))?;
    rate.trim().parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
}

/// `frame, id, left, top, width, height, counts, class, visible`: the boxes that count, by frame.
fn parse(text: &str) -> Result<BTreeMap<u32, Truth>, String> {
    let mut frames: BTreeMap<u32, Truth> = BTreeMap::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (i, line) in lines {
        let numbers: Result<Vec<f64>, _> = line.split(',').map(|part| part.trim().parse()).collect();
        let wrong = || {
            format!("line {}: expected `frame,id,left,top,width,height,counts,class,visible`, found `{line}`", i + 1)
        };
        let numbers = numbers.map_err(|_| wrong())?;
        let [frame, _, left, top, width, height, counts, rest @ ..] = numbers.as_slice() else { return Err(wrong()) };
        // MOT16 and later have nine columns; the eighth is the class.
        let pedestrian = rest.len() != 2 || rest[0] == PEDESTRIAN;
        let in_range =
            numbers.iter().all(|number| number.is_finite()) && *frame >= 1.0 && *frame <= f64::from(u32::MAX);
        if !in_range {
            return Err(wrong());
        }
        let frame = frames.entry(*frame as u32).or_default();
        frame.boxes.get_or_insert_default();
        if *counts != 0.0 && pedestrian {
            let [x, y, width, height] = [left, top, width, height].map(|side| *side as f32);
            frame.push(Rect { x, y, width, height });
        }
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_boxes_become_heads() {
        // MOT15 has ten columns; the last three are a position. MOT16 has nine; the eighth is the
        // class.
        let text = "1,7,100,50,20,100,1,-6.8,-12.2,0\n1,8,0,0,10,10,0,-1,-1,-1\n\n3,1,10,0,20,50,1,1,0.8\n3,2,10,0,20,50,1,3,1.0\n";
        let frames = parse(text).expect("sound");
        let heads: Vec<_> = frames.iter().map(|(number, truth)| (*number, truth.heads.clone())).collect();
        assert_eq!(heads, [(1, vec![[110.0, 58.0]]), (3, vec![[20.0, 4.0]])]);
        let boxes = frames[&1].boxes.as_deref();
        assert_eq!(boxes, Some([Rect { x: 100.0, y: 50.0, width: 20.0, height: 100.0 }].as_slice()));
    }

    #[test]
    fn a_malformed_line_is_reported() {
        for (text, line) in [("1,2,3\n", 1), ("1,1,0,0,1,1,1,1,1\nx,1,0,0,1,1,1,1,1", 2), ("0,1,0,0,1,1,1,1,1", 1)] {
            let error = parse(text).expect_err("it is wrong");
            assert!(error.starts_with(&format!("line {line}: expected `frame,id,")), "{error}");
        }
    }

    #[test]
    fn empty_frames_count_and_a_frame_rate_makes_a_sequence() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("there is room");
        };
        write("gt/gt.txt", "2,1,0,0,10,100,1,1,1\n");
        write("img1/000001.jpg", "");
        write("img1/000002.jpg", "");
        let heads = |marked: &Marked| marked.truth.heads.len();
        let Marks::Pictures(pictures) = read(folder.path()).expect("sound") else { panic!("no rate is known") };
        assert_eq!(pictures.iter().map(heads).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(pictures[0].truth.boxes, Some(Vec::new()), "nobody is marked by boxes too");

        write("seqinfo.ini", "[Sequence]\nname=PLAZA\nframeRate = 7\nseqLength=2\n");
        let Marks::Frames { frames, per_second } = read(folder.path()).expect("sound") else {
            panic!("a rate is known")
        };
        assert_eq!((frames.keys().copied().collect::<Vec<_>>(), per_second), (vec![1, 2], 7.0));
        write("seqinfo.ini", "frameRate=0\n");
        let error = read(folder.path()).expect_err("no rate").to_string();
        assert!(
            error.ends_with("seqinfo.ini: expected a line `frameRate=` with the frames a second, above 0"),
            "{error}"
        );

        std::fs::remove_dir_all(folder.path().join("img1")).expect("removed");
        write("walk.mp4", "");
        let marks = read(folder.path()).expect("sound");
        assert!(matches!(marks, Marks::Video { frames, all: true, .. } if frames.keys().eq([&2])));
    }
}
