//! The pictures with the largest errors, for the report.

use gatehouse_crowd::Head;
use gatehouse_picture::YuvPicture;
use parking_lot::Mutex;

use super::report::CountedPicture;

const KEPT: usize = 12;
/// Longer side of a kept picture, in pixels.
const LONGER_SIDE: usize = 480;

/// A picture with its marks and its count.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    pub picture: CountedPicture,
    /// Its number among all pictures, from 0.
    pub(crate) number: usize,
    /// Width and height of `grey`, in pixels.
    pub(crate) size: [usize; 2],
    pub(crate) grey: Vec<u8>,
    /// Marked heads, normalised.
    pub(crate) heads: Vec<[f64; 2]>,
    /// The grid of counted people.
    pub(crate) seen: Vec<Head>,
}

#[derive(Debug, Default)]
pub(super) struct Examples(Mutex<Vec<Example>>);

impl Examples {
    /// Keeps the picture if its error is among the largest.
    pub(super) fn offer(
        &self,
        number: usize,
        counted: &CountedPicture,
        picture: &YuvPicture<'_>,
        heads: &[[f64; 2]],
        seen: &[Head],
    ) {
        let mut kept = self.0.lock();
        let off = counted.error().abs();
        // Of equal errors the first pictures are kept, in any order of the threads.
        let place = kept.partition_point(|other| {
            let other_off = other.picture.error().abs();
            other_off > off || (other_off == off && other.number < number)
        });
        if place >= KEPT {
            return;
        }
        let (size, grey) = small(picture);
        let picture = counted.clone();
        kept.insert(place, Example { picture, number, size, grey, heads: heads.to_vec(), seen: seen.to_vec() });
        kept.truncate(KEPT);
    }

    pub(super) fn into_vec(self) -> Vec<Example> {
        self.0.into_inner()
    }
}

/// The picture's luma, subsampled.
fn small(picture: &YuvPicture<'_>) -> ([usize; 2], Vec<u8>) {
    let (size, luma) = (picture.size(), picture.luma());
    let step = size.width.max(size.height).div_ceil(LONGER_SIDE).max(1);
    let rows = (0..size.height).step_by(step);
    let grey: Vec<u8> =
        rows.clone().flat_map(|row| luma.row(row)[..size.width].iter().step_by(step).copied()).collect();
    ([size.width.div_ceil(step), rows.count()], grey)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatehouse_core::event::SelfAssessment;
    use gatehouse_picture::Size;
    use gatehouse_picture::testing::TestPicture;

    use super::*;

    fn counted(counted: f64) -> CountedPicture {
        CountedPicture {
            name: "a.jpg".to_owned(),
            at: Duration::ZERO,
            marked: 10,
            counted,
            share_by_density: 0.0,
            interval: None,
            game: [0.0; 3],
            boxes: None,
            self_assessment: SelfAssessment::InRange,
        }
    }

    #[test]
    fn the_largest_errors_are_kept_in_any_order() {
        let size = Size { width: 962, height: 4 };
        let picture = TestPicture::uniform(size, 7);
        let picture = picture.i420();
        let numbers = |order: &mut dyn Iterator<Item = usize>| {
            let examples = Examples::default();
            // Each error occurs twice, once with each sign.
            order.for_each(|n| examples.offer(n, &counted(10.0 - (n / 2) as f64), &picture, &[], &[]));
            let kept = examples.into_vec();
            assert!(kept.iter().all(|example| example.size == [321, 2] && example.grey.len() == 642));
            kept.iter().map(|example| example.number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&mut (0..20)), [18, 19, 16, 17, 14, 15, 12, 13, 10, 11, 8, 9]);
        assert_eq!(numbers(&mut (0..20)), numbers(&mut (0..20).rev()));
    }
}
