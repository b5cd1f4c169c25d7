//! MOTChallenge (Leal-Taixé et al., 2015): `gt/gt.txt` with a box a line, and the frames of the video in `img1/`.

use std::collections::BTreeMap;
use std::path::Path;

use gatehouse_crowd::join::head_of;
use gatehouse_picture::Rect;

use super::Marked;
use crate::error::EvalError;

pub(super) const MARKS: &str = "gt/gt.txt";
const FRAMES: &str = "img1";
/// Of the classes of MOT16 and later: a pedestrian. Earlier sets have −1 or a place in the world there.
const PEDESTRIAN: f64 = 1.0;

/// The frames that have a picture, in their order, with the heads of the boxes that count.
pub(super) fn read(folder: &Path) -> Result<Vec<Marked>, EvalError> {
    let path = folder.join(MARKS);
    let text = std::fs::read_to_string(&path).map_err(|source| EvalError::Unreadable { path: path.clone(), source })?;
    let frames_folder = folder.join(FRAMES);
    let unreadable = |source| EvalError::Unreadable { path: frames_folder.clone(), source };
    let mut heads = parse(&text).map_err(|reason| EvalError::Points { path: path.clone(), reason })?;
    let mut marked = Vec::new();
    for entry in std::fs::read_dir(&frames_folder).map_err(unreadable)? {
        let picture = entry.map_err(unreadable)?.path();
        // 000001.jpg is frame 1.
        let number = picture.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u32>().ok());
        if let Some(number) = number {
            marked.push(Marked { picture, heads: heads.remove(&number).unwrap_or_default() });
        }
    }
    if marked.is_empty() {
        let reason = format!("{} has no pictures with the numbers of frames", frames_folder.display());
        return Err(EvalError::Points { path, reason });
    }
    marked.sort_by(|a, b| a.picture.cmp(&b.picture));
    Ok(marked)
}

/// `frame, id, left, top, width, height, counts, class, visible`: the heads of each frame.
fn parse(text: &str) -> Result<BTreeMap<u32, Vec<[f64; 2]>>, String> {
    let mut heads: BTreeMap<u32, Vec<[f64; 2]>> = BTreeMap::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (i, line) in lines {
        let numbers: Result<Vec<f64>, _> = line.split(',').map(|part| part.trim().parse()).collect();
        let wrong = || {
            format!("line {}: expected `frame,id,left,top,width,height,counts,class,visible`, found `{line}`", i + 1)
        };
        let numbers = numbers.map_err(|_| wrong())?;
        let [frame, _, left, top, width, height, counts, rest @ ..] = numbers.as_slice() else { return Err(wrong()) };
        // Nine columns are of MOT16 and later, where the eighth is the class.
        let pedestrian = rest.len() != 2 || rest[0] == PEDESTRIAN;
        let in_range =
            numbers.iter().all(|number| number.is_finite()) && *frame >= 1.0 && *frame <= f64::from(u32::MAX);
        if !in_range {
            return Err(wrong());
        }
        let frame = heads.entry(*frame as u32).or_default();
        if *counts != 0.0 && pedestrian {
            let [x, y, width, height] = [left, top, width, height].map(|side| *side as f32);
            let head = head_of(&Rect { x, y, width, height });
            frame.push([f64::from(head.x), f64::from(head.y)]);
        }
    }
    Ok(heads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_people_who_count_become_heads() {
        // MOT15 has ten columns, of which the last three are a place; MOT16 nine, of which the eighth is the class.
        let text = "1,7,100,50,20,100,1,-6.8,-12.2,0\n1,8,0,0,10,10,0,-1,-1,-1\n\n3,1,10,0,20,50,1,1,0.8\n3,2,10,0,20,50,1,3,1.0\n";
        let heads = parse(text).expect("sound");
        assert_eq!(heads, BTreeMap::from([(1, vec![[110.0, 58.0]]), (3, vec![[20.0, 4.0]])]));
    }

    #[test]
    fn a_line_that_is_none_is_told() {
        for (text, line) in [("1,2,3\n", 1), ("1,1,0,0,1,1,1,1,1\nx,1,0,0,1,1,1,1,1", 2), ("0,1,0,0,1,1,1,1,1", 1)] {
            let told = parse(text).expect_err("it is wrong");
            assert!(told.starts_with(&format!("line {line}: expected `frame,id,")), "{told}");
        }
    }

    #[test]
    fn frames_without_people_count_too() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [("gt/gt.txt", "2,1,0,0,10,100,1,1,1\n"), ("img1/000001.jpg", ""), ("img1/000002.jpg", "")]
        {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("there is room");
        }
        let heads: Vec<_> = read(folder.path()).expect("sound").iter().map(|marked| marked.heads.len()).collect();
        assert_eq!(heads, [0, 1]);
    }
}
