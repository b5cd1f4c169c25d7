//! Finds the parts of a picture that may hold a QR code: they alternate between black and white
//! every few pixels, and have changed since the last search without result. Searching the other
//! parts would cost many times the cost of finding these.

/// Pixels along a block.
const BLOCK: usize = 32;
/// Distance over which luma is compared, in pixels: a blurred step from black to white is as wide.
const APART: usize = 2;
/// Threshold of texture: mean change of luma over [`APART`] pixels, across and down, as a share of
/// the block's mean. In codes that [`crate::QrReader`]'s table lists as readable, up to 8 pixels a
/// module, 9 of 10 blocks have 0.10 or more. In a street, 1 of 14 blocks has 0.08 in both
/// directions, and 1 of 9 across.
const LEAST: f32 = 0.08;
/// Fewest blocks that a readable code's texture covers, across and down.
const SMALLEST: usize = 3;
/// Threshold of change: a block has changed if its mean luma, or its mean change of luma, differs
/// by more than this share. Noise moves either by a tenth.
const CHANGED: f32 = 1.5;
/// Number of searches after which an unchanged block is searched again.
const AGAIN_AFTER: u8 = 5;

/// How a camera's picture looked where the last searches found no code. No image can be recovered
/// from it: three numbers for each 32 × 32 pixels.
#[derive(Debug, Default)]
pub struct SearchedInVain {
    columns: usize,
    blocks: Vec<Option<Vain>>,
    /// True if the last search was for codes that are light on dark as well.
    had_light_on_dark: bool,
}

#[derive(Debug, Clone, Copy)]
struct Vain {
    look: Look,
    searches: u8,
}

/// A block's mean luma, and its mean change from pixel to pixel.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    luma: f32,
    across: f32,
    down: f32,
}

/// Sums over the rows of a row of blocks, one for each column of pixels, so that many are added at
/// once. At most 12 rows are added, so no sum overflows.
#[derive(Debug, Default)]
struct Sums {
    luma: Vec<u16>,
    across: Vec<u16>,
    down: Vec<u16>,
    rows: usize,
}

impl Sums {
    /// Adds every fourth of these rows, each compared with the rows two and four below. This covers
    /// every step over two rows; fewer could miss a code whose modules begin in phase with them.
    fn take<'p>(&mut self, width: usize, rows: impl Iterator<Item = [&'p [u8]; 3]>) {
        let Self { luma, across, down, rows: taken } = self;
        for sums in [&mut *luma, &mut *across, &mut *down] {
            sums.clear();
            sums.resize(width, 0);
        }
        *taken = 0;
        let differ = |a: u8, b: u8| u16::from(a.abs_diff(b));
        for [row, below, next] in rows {
            let (row, below, next) = (&row[..width], &below[..width], &next[..width]);
            let (luma, down) = (&mut luma[..width], &mut down[..width]);
            for x in 0..width {
                luma[x] = luma[x].wrapping_add(u16::from(row[x]));
                down[x] = down[x].wrapping_add(differ(row[x], below[x])).wrapping_add(differ(below[x], next[x]));
            }
            let steps = row.iter().zip(row.get(APART..).unwrap_or_default());
            across.iter_mut().zip(steps).for_each(|(sum, (a, b))| *sum = sum.wrapping_add(differ(*a, *b)));
            *taken += 1;
        }
    }

    /// The block in these columns.
    fn look(&self, left: usize, right: usize) -> Look {
        let total = |sums: &[u16]| sums.iter().fold(0u32, |sum, value| sum.wrapping_add(u32::from(*value)));
        let mean = |sum: u32, of: usize| sum as f32 / of as f32;
        let pixels = self.rows * (right - left);
        // Leave out the step into the next block.
        let steps = left..right.saturating_sub(APART).max(left);
        Look {
            luma: mean(total(&self.luma[left..right]), pixels),
            across: mean(total(&self.across[steps]), pixels),
            down: mean(total(&self.down[left..right]), 2 * pixels),
        }
    }
}

impl Look {
    fn is_textured(self) -> bool {
        self.across.min(self.down) >= LEAST * self.luma
    }

    fn differs(self, other: Self) -> bool {
        [self.luma - other.luma, self.across - other.across, self.down - other.down].iter().any(|by| by.abs() > CHANGED)
    }
}

impl SearchedInVain {
    /// Says whether this search is for codes that are light on dark as well: the first one, and
    /// every other one from then on.
    pub(crate) fn is_turn_of_light_on_dark(&mut self) -> bool {
        self.had_light_on_dark = !self.had_light_on_dark;
        self.had_light_on_dark
    }

    /// True if this block must be searched; counts the search.
    fn is_news(&mut self, block: usize, look: Look) -> bool {
        let vain = &mut self.blocks[block];
        let news = vain.is_none_or(|vain| vain.searches >= AGAIN_AFTER || look.differs(vain.look));
        if news {
            *vain = None;
        }
        vain.iter_mut().for_each(|vain| vain.searches += 1);
        news
    }
}

/// A part of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// Finds the parts. Keeps its buffers.
#[derive(Debug, Default)]
pub(crate) struct Texture {
    columns: usize,
    /// Sums of one row of blocks.
    sums: Sums,
    looks: Vec<Look>,
    /// Row by row: true while a block has texture and belongs to no part yet.
    blocks: Vec<bool>,
    stack: Vec<(usize, usize)>,
}

impl Texture {
    /// Fills `parts` with the parts of a picture that may hold a code and have changed, each with a
    /// margin of one block. Gives the whole picture where the parts cover as much. Rows begin every
    /// `stride` bytes.
    pub(crate) fn parts(
        &mut self,
        luma: &[u8],
        [width, height]: [usize; 2],
        stride: usize,
        before: &mut SearchedInVain,
        parts: &mut Vec<Part>,
    ) {
        parts.clear();
        // A partial block at the right or bottom edge is a block of its own, or joins the last one
        // if it is less than half a block. A larger last block could let a code cover fewer than
        // `SMALLEST`.
        let [columns, rows] = [width, height].map(|size| ((size + BLOCK / 2) / BLOCK).max(1));
        let ends = |i: usize, of: usize, size: usize| (i * BLOCK, if i + 1 == of { size } else { (i + 1) * BLOCK });
        self.looks.clear();
        for row in 0..rows {
            let (top, bottom) = ends(row, rows, height);
            let row = |y: usize| &luma[y.min(height - 1) * stride..][..width];
            let rows = (top..bottom).step_by(2 * APART).map(|y| [row(y), row(y + APART), row(y + 2 * APART)]);
            self.sums.take(width, rows);
            self.looks.extend((0..columns).map(|column| {
                let (left, right) = ends(column, columns, width);
                self.sums.look(left, right)
            }));
        }
        self.columns = columns;
        self.blocks.clear();
        self.blocks.extend(self.looks.iter().map(|look| look.is_textured()));
        if (before.columns, before.blocks.len()) != (columns, columns * rows) {
            (before.columns, before.blocks) = (columns, vec![None; columns * rows]);
        }
        for start in 0..columns * rows {
            let Some(Connected { from, to, news }) = self.take_connected(start, rows, before) else { continue };
            if !news || to.0 - from.0 < SMALLEST || to.1 - from.1 < SMALLEST {
                continue;
            }
            let (left, top) = (from.0.saturating_sub(1) * BLOCK, from.1.saturating_sub(1) * BLOCK);
            let (_, right) = ends(to.0.min(columns - 1), columns, width);
            let (_, bottom) = ends(to.1.min(rows - 1), rows, height);
            parts.push(Part { x: left, y: top, width: right - left, height: bottom - top });
        }
        if parts.iter().map(|part| part.width * part.height).sum::<usize>() > width * height {
            parts.clear();
            parts.push(Part { x: 0, y: 0, width, height });
        }
    }

    /// Records that no code was found in a part of the last picture.
    pub(crate) fn was_in_vain(&self, part: Part, before: &mut SearchedInVain) {
        let blocks = |start: usize, length: usize| start / BLOCK..(start + length).div_ceil(BLOCK);
        for row in blocks(part.y, part.height) {
            for column in blocks(part.x, part.width).filter(|column| *column < self.columns) {
                let block = row * self.columns + column;
                if let (Some(vain), Some(look)) = (before.blocks.get_mut(block), self.looks.get(block)) {
                    *vain = Some(Vain { look: *look, searches: 0 });
                }
            }
        }
    }

    /// Removes the textured blocks connected with this one, corners included.
    fn take_connected(&mut self, start: usize, rows: usize, before: &mut SearchedInVain) -> Option<Connected> {
        let columns = self.columns;
        let mut connected: Option<Connected> = None;
        self.stack.push((start % columns, start / columns));
        while let Some((column, row)) = self.stack.pop() {
            let block = row * columns + column;
            if !std::mem::take(&mut self.blocks[block]) {
                continue;
            }
            let news = before.is_news(block, self.looks[block]);
            let so_far = connected.unwrap_or(Connected { from: (column, row), to: (column, row), news });
            connected = Some(Connected {
                from: (so_far.from.0.min(column), so_far.from.1.min(row)),
                to: (so_far.to.0.max(column + 1), so_far.to.1.max(row + 1)),
                news: so_far.news || news,
            });
            for row in row.saturating_sub(1)..(row + 2).min(rows) {
                self.stack.extend((column.saturating_sub(1)..(column + 2).min(columns)).map(|column| (column, row)));
            }
        }
        connected
    }
}

/// Connected textured blocks: the first column and row, the ones after the last, and whether any of
/// them has changed.
#[derive(Debug, Clone, Copy)]
struct Connected {
    from: (usize, usize),
    to: (usize, usize),
    news: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Grey, with black and white squares of 4 pixels in these parts.
    fn picture(width: usize, height: usize, checked: &[Part]) -> Vec<u8> {
        let mut luma = vec![120; width * height];
        for part in checked {
            for y in part.y..part.y + part.height {
                for x in part.x..part.x + part.width {
                    luma[y * width + x] = if (x / 4 + y / 4) % 2 == 0 { 30 } else { 210 };
                }
            }
        }
        luma
    }

    fn parts(luma: &[u8], width: usize, height: usize) -> Vec<Part> {
        let mut parts = Vec::new();
        Texture::default().parts(luma, [width, height], width, &mut SearchedInVain::default(), &mut parts);
        parts
    }

    #[test]
    fn a_part_is_what_is_textured_and_a_block_around_it() {
        let code = Part { x: 320, y: 160, width: 128, height: 128 };
        let speck = Part { x: 640, y: 320, width: 32, height: 32 };
        let luma = picture(1280, 720, &[code, speck]);
        let expected = [Part { x: 288, y: 128, width: 192, height: 192 }];
        assert_eq!(parts(&luma, 1280, 720), expected);
        assert_eq!(parts(&picture(1280, 720, &[]), 1280, 720), []);
    }

    #[test]
    fn a_failed_search_repeats_after_a_change_or_a_pause() {
        let (fence, code) =
            (Part { x: 64, y: 64, width: 128, height: 128 }, Part { x: 640, y: 320, width: 128, height: 128 });
        let (mut texture, mut before) = (Texture::default(), SearchedInVain::default());
        let mut search = |luma: &[u8]| {
            let mut parts = Vec::new();
            texture.parts(luma, [1280, 720], 1280, &mut before, &mut parts);
            parts.iter().for_each(|part| texture.was_in_vain(*part, &mut before));
            parts.iter().map(|part| part.x).collect::<Vec<_>>()
        };
        let (empty, shown) = (picture(1280, 720, &[fence]), picture(1280, 720, &[fence, code]));
        assert_eq!(search(&empty), [32]);
        assert_eq!(search(&empty), [0; 0]);
        assert_eq!(search(&shown), [608], "only what is new");
        assert_eq!(search(&shown), [0; 0]);
        assert_eq!([(); 5].map(|()| search(&shown)), [vec![], vec![], vec![32], vec![], vec![608]]);
        let more = picture(1280, 720, &[fence, Part { width: 160, ..code }]);
        assert_eq!(search(&more), [608], "all that hangs together with what is new");
    }

    #[test]
    fn where_a_code_was_found_the_next_frame_is_searched_too() {
        let luma = picture(1280, 720, &[Part { x: 320, y: 160, width: 128, height: 128 }]);
        let (mut texture, mut before, mut parts) = (Texture::default(), SearchedInVain::default(), Vec::new());
        for _ in 0..3 {
            texture.parts(&luma, [1280, 720], 1280, &mut before, &mut parts);
            assert_eq!(parts.len(), 1);
        }
    }

    #[test]
    fn modules_are_texture_at_any_size_and_place_and_stripes_not() {
        for side in 2..=8 {
            for (x0, y0) in (0..side).flat_map(|x| (0..side).map(move |y| (x, y))) {
                let draw = |black: &dyn Fn(usize, usize) -> bool| -> Vec<u8> {
                    let at = |i: usize| if black((i % 160 + x0) / side, (i / 160 + y0) / side) { 30 } else { 210 };
                    (0..160 * 160).map(at).collect()
                };
                let squares = draw(&|column, row| (column + row).is_multiple_of(2));
                assert_eq!(parts(&squares, 160, 160).len(), 1, "{side} pixels wide, at {x0}, {y0}");
                assert_eq!(parts(&draw(&|column, _| column.is_multiple_of(2)), 160, 160), [], "a fence");
                assert_eq!(parts(&draw(&|_, row| row.is_multiple_of(2)), 160, 160), [], "a blind");
            }
        }
    }

    #[test]
    fn a_picture_full_of_texture_is_one_part() {
        let whole = Part { x: 0, y: 0, width: 200, height: 110 };
        assert_eq!(parts(&picture(200, 110, &[whole]), 200, 110), [whole]);
    }

    #[test]
    fn a_code_is_found_anywhere_in_a_picture_of_partial_blocks() {
        for width in 96..200 {
            for x in 0..=width - 96 {
                let code = Part { x, y: 32, width: 96, height: 96 };
                assert!(!parts(&picture(width, 160, &[code]), width, 160).is_empty(), "{width} pixels wide, at {x}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_textured_is_in_a_part_and_parts_are_in_the_picture(
            width in 1usize..400, height in 1usize..300, x in 0usize..400, y in 0usize..300, side in 96usize..200,
        ) {
            let checked = Part { x: x % width, y: y % height, width: side, height: side };
            let checked = Part {
                width: side.min(width - checked.x),
                height: side.min(height - checked.y),
                ..checked
            };
            let parts = parts(&picture(width, height, &[checked]), width, height);
            prop_assert!(parts.iter().all(|part| part.x + part.width <= width && part.y + part.height <= height));
            let covers = |part: &Part| {
                part.x <= checked.x && part.y <= checked.y
                    && part.x + part.width >= checked.x + checked.width
                    && part.y + part.height >= checked.y + checked.height
            };
            if checked.width.min(checked.height) >= 96 {
                prop_assert!(parts.iter().any(covers), "{checked:?} isn't within {parts:?}");
            }
        }
    }
}
