//! Non-maximum suppression: of overlapping boxes, the best one stays.

use gatehouse_picture::Rect;

/// Drops items that overlap a better one by more than `max_iou` (intersection over union), and
/// sorts the rest by score, best first. Equal scores keep their order.
pub fn suppress<T>(found: &mut Vec<T>, max_iou: f32, box_and_score: impl Fn(&T) -> (Rect, f32)) {
    let box_of = |item: &T| box_and_score(item).0;
    let mut kept = 0;
    // In place and without allocation, which a stable sort needs: moves the best of the rest to the
    // front.
    while kept < found.len() {
        let rest = found[kept..].iter().map(|item| box_and_score(item).1).enumerate();
        let best = rest.reduce(|best, next| if next.1.total_cmp(&best.1).is_gt() { next } else { best });
        found[kept..=kept + best.map_or(0, |(index, _)| index)].rotate_right(1);
        let better = box_of(&found[kept]);
        kept += 1;
        let mut index = 0;
        found.retain(|item| {
            index += 1;
            index <= kept || better.iou(&box_of(item)) <= max_iou
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn square(x: f32, score: f32) -> (Rect, f32) {
        (Rect { x, y: 0.0, width: 10.0, height: 10.0 }, score)
    }

    #[test]
    fn a_suppressed_box_suppresses_no_other() {
        // Each overlaps the next by half (IoU 1/3). The first suppresses the second, so the third
        // stays.
        let mut found = vec![square(10.0, 0.5), square(0.0, 0.9), square(5.0, 0.7)];
        suppress(&mut found, 0.3, |item| *item);
        assert_eq!(found, [square(0.0, 0.9), square(10.0, 0.5)]);
    }

    #[test]
    fn an_overlap_equal_to_the_limit_is_allowed() {
        let mut found = vec![square(0.0, 0.9), square(5.0, 0.7)];
        suppress(&mut found, 1.0 / 3.0, |item| *item);
        assert_eq!(found.len(), 2);
    }

    proptest! {
        #[test]
        fn kept_boxes_are_apart_and_others_had_a_better_neighbour(
            boxes in prop::collection::vec((0f32..50.0, 0f32..50.0, 1f32..30.0, 1f32..30.0, 0f32..1.0), 0..40),
            max_iou in 0f32..1.0,
        ) {
            let all: Vec<(Rect, f32)> = boxes
                .iter()
                .map(|(x, y, width, height, score)| (Rect { x: *x, y: *y, width: *width, height: *height }, *score))
                .collect();
            let mut kept = all.clone();
            suppress(&mut kept, max_iou, |item| *item);
            for (i, (a, _)) in kept.iter().enumerate() {
                prop_assert!(kept[..i].iter().all(|(b, _)| a.iou(b) <= max_iou));
            }
            for (a, score) in all.iter().filter(|item| !kept.contains(item)) {
                prop_assert!(kept.iter().any(|(b, better)| better >= score && a.iou(b) > max_iou));
            }
        }
    }
}
