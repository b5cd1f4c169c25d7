//! `points.json`: an object of picture → [[x, y], …] (heads, in pixels) or [[left, top, width,
//! height], …] (boxes). For a video, the key is the frame's number, from 1.

use std::collections::BTreeMap;
use std::path::Path;

use gatehouse_picture::Rect;

use super::{Marked, Marks, Truth, picture, video};
use crate::error::EvalError;

/// The marks of a folder. Pictures are named relative to the folder, or to `images/` in it.
pub(super) fn read(folder: &Path) -> Result<Marks, EvalError> {
    let path = folder.join("points.json");
    let text = std::fs::read_to_string(&path).map_err(EvalError::unreadable(&path))?;
    let wrong = |reason: String| EvalError::data_set(&path, reason);
    let marks: BTreeMap<String, Vec<Vec<f64>>> = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    if marks.is_empty() {
        return Err(wrong("no picture is named".to_owned()));
    }
    // An empty list may be of either kind.
    let by_boxes = marks.values().flatten().next().is_some_and(|mark| mark.len() == 4);
    let truth = |name: &str, marks: Vec<Vec<f64>>| {
        let mut truth = Truth { heads: Vec::new(), boxes: by_boxes.then(Vec::new) };
        for mark in marks {
            match (mark.as_slice(), &mut truth.boxes) {
                ([x, y], None) if x.is_finite() && y.is_finite() => truth.heads.push([*x, *y]),
                ([_, _, width, height], Some(_)) if *width > 0.0 && *height > 0.0 => {
                    let [x, y, width, height] = [0, 1, 2, 3].map(|side| mark[side] as f32);
                    truth.push(Rect { x, y, width, height });
                }
                _ => {
                    let expected = if by_boxes { "box, [left, top, width, height]," } else { "point, [x, y]," };
                    return Err(wrong(format!("{name}: {mark:?} is no {expected} as those before it are")));
                }
            }
        }
        Ok(truth)
    };
    if let Some(video) = video(folder) {
        let frame = |(number, marks): (String, _)| match number.parse() {
            Ok(frame @ 1u32..) => Ok((frame, truth(&number, marks)?)),
            _ => Err(wrong(format!("{number}: for a video, expected the number of a frame, from 1"))),
        };
        let frames = marks.into_iter().map(frame).collect::<Result<_, _>>()?;
        return Ok(Marks::Video { video, frames, all: false });
    }
    let marked = |(name, marks): (String, _)| {
        let picture = picture(folder, Path::new(&name))
            .ok_or_else(|| wrong(format!("{name}: there is no such picture in the folder")))?;
        Ok(Marked { picture, truth: truth(&name, marks)? })
    };
    marks.into_iter().map(marked).collect::<Result<_, _>>().map(Marks::Pictures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(points: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("images")).expect("a folder in it");
        for name in ["images/a.jpg", "b.jpg"] {
            std::fs::write(folder.path().join(name), "").expect("there is room");
        }
        std::fs::write(folder.path().join("points.json"), points).expect("there is room");
        folder
    }

    #[test]
    fn pictures_are_named_relative_to_the_folder_or_images() {
        let folder = folder(r#"{"images/a.jpg": [[1, 2.5]], "a.jpg": [], "b.jpg": [[3, 4], [5, 6]]}"#);
        let Marks::Pictures(marked) = read(folder.path()).expect("sound") else { panic!("there is no video") };
        let name = |marked: &Marked| marked.picture.file_name().expect("a file").to_owned();
        let seen: Vec<_> = marked.iter().map(|marked| (name(marked), marked.truth.heads.len())).collect();
        assert_eq!(seen, [("a.jpg".into(), 0), ("b.jpg".into(), 2), ("a.jpg".into(), 1)]);
    }

    #[test]
    fn boxes_become_heads() {
        let folder = folder(r#"{"a.jpg": [], "b.jpg": [[100, 50, 20, 100]]}"#);
        let Marks::Pictures(marked) = read(folder.path()).expect("sound") else { panic!("there is no video") };
        assert_eq!(marked[0].truth, Truth { heads: Vec::new(), boxes: Some(Vec::new()) });
        assert_eq!(marked[1].truth.heads, [[110.0, 58.0]]);
        let person = Rect { x: 100.0, y: 50.0, width: 20.0, height: 100.0 };
        assert_eq!(marked[1].truth.boxes.as_deref(), Some([person].as_slice()));
    }

    #[test]
    fn errors_name_their_place() {
        let error_for = |points: &str| {
            let folder = folder(points);
            let error = read(folder.path()).expect_err("it is wrong").to_string();
            error.replace(&folder.path().display().to_string(), "")
        };
        assert_eq!(error_for("{}"), "/points.json: no picture is named");
        assert_eq!(error_for(r#"{"c.jpg": []}"#), "/points.json: c.jpg: there is no such picture in the folder");
        assert!(error_for(r#"{"b.jpg": [1]}"#).contains("at line 1 column"), "{}", error_for(r#"{"b.jpg": [1]}"#));
        let no_point = "/points.json: b.jpg: [1.0] is no point, [x, y], as those before it are";
        assert_eq!(error_for(r#"{"b.jpg": [[1]]}"#), no_point);
        let mixed = r#"{"a.jpg": [[1, 2, 3, 4]], "b.jpg": [[1, 2]]}"#;
        assert_eq!(
            error_for(mixed),
            "/points.json: b.jpg: [1.0, 2.0] is no box, [left, top, width, height], as those before it are"
        );
        let flat =
            "/points.json: b.jpg: [1.0, 2.0, 0.0, 4.0] is no box, [left, top, width, height], as those before it are";
        assert_eq!(error_for(r#"{"b.jpg": [[1, 2, 0, 4]]}"#), flat);
        let missing = read(Path::new("/nowhere")).expect_err("no such folder").to_string();
        assert!(missing.starts_with("/nowhere/points.json: can't be read"), "{missing}");
    }

    #[test]
    fn frames_of_a_video_are_named_by_number() {
        let with_video = |points: &str| {
            let folder = folder(points);
            std::fs::write(folder.path().join("walk.MP4"), "").expect("there is room");
            read(folder.path()).map_err(|error| error.to_string().replace(&folder.path().display().to_string(), ""))
        };
        let Ok(Marks::Video { frames, all: false, .. }) = with_video(r#"{"10": [[1, 2]], "2": []}"#) else {
            panic!("a video of which two frames are marked")
        };
        assert_eq!(frames.iter().map(|(n, truth)| (*n, truth.heads.len())).collect::<Vec<_>>(), [(2, 0), (10, 1)]);
        for name in ["a.jpg", "0"] {
            let error = with_video(&format!("{{\"{name}\": []}}")).expect_err("it is no frame");
            assert_eq!(error, format!("/points.json: {name}: for a video, expected the number of a frame, from 1"));
        }
    }
}
