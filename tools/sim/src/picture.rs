//! I420 pictures, and drawing one into another at any size.

use std::borrow::Cow;

/// One 8-bit plane, rows packed without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Plane {
    pub(crate) fn filled(width: usize, height: usize, value: u8) -> Self {
        Self { width, height, bytes: vec![value; width * height] }
    }

    /// Half the size in both directions, each pixel the mean of four.
    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let at =
            |x: usize, y: usize| u16::from(self.bytes[y.min(self.height - 1) * self.width + x.min(self.width - 1)]);
        let mut bytes = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let sum = at(2 * x, 2 * y) + at(2 * x + 1, 2 * y) + at(2 * x, 2 * y + 1) + at(2 * x + 1, 2 * y + 1);
                bytes.push(((sum + 2) / 4) as u8);
            }
        }
        Self { width, height, bytes }
    }

    /// Replaces every value by a function of it.
    pub(crate) fn map(&mut self, change: impl Fn(u8) -> u8) {
        let table: [u8; 256] = std::array::from_fn(|value| change(value as u8));
        self.bytes.iter_mut().for_each(|byte| *byte = table[usize::from(*byte)]);
    }

    fn cut(&self, left: usize, top: usize, right: usize, bottom: usize) -> Self {
        let rows = self.bytes.chunks_exact(self.width).take(bottom).skip(top);
        Self {
            width: right - left,
            height: bottom - top,
            bytes: rows.flat_map(|row| &row[left..right]).copied().collect(),
        }
    }
}

/// A picture in I420: luma, and both chroma planes at half the size (rounded up).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Y, U, V.
    pub(crate) planes: [Plane; 3],
}

/// The place and size of a drawn picture, in pixels of the frame's luma plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placement {
    /// Left edge; may be outside the frame.
    pub(crate) left_in_frame: f64,
    /// Upper edge; may be outside the frame.
    pub(crate) top_in_frame: f64,
    /// Frame pixels per picture pixel.
    pub(crate) scale: f64,
}

impl Picture {
    /// A picture of one colour.
    pub(crate) fn plain(width: usize, height: usize, [y, u, v]: [u8; 3]) -> Self {
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        Self {
            planes: [
                Plane::filled(width, height, y),
                Plane::filled(half_width, half_height, u),
                Plane::filled(half_width, half_height, v),
            ],
        }
    }

    pub(crate) fn width(&self) -> usize {
        self.planes[0].width
    }

    pub(crate) fn height(&self) -> usize {
        self.planes[0].height
    }

    /// The part from `left`, `top` (even) up to, but not including, `right`, `bottom`. It must be
    /// inside the picture and not empty.
    pub(crate) fn cut(&self, left: usize, top: usize, right: usize, bottom: usize) -> Self {
        let [luma, u, v] = &self.planes;
        let chroma = |plane: &Plane| plane.cut(left / 2, top / 2, right.div_ceil(2), bottom.div_ceil(2));
        Self { planes: [luma.cut(left, top, right, bottom), chroma(u), chroma(v)] }
    }

    /// The picture, halved `times` times.
    pub(crate) fn reduced(&self, halvings: u32) -> Cow<'_, Self> {
        let mut reduced = Cow::Borrowed(self);
        for _ in 0..halvings {
            reduced = Cow::Owned(Self { planes: reduced.planes.each_ref().map(Plane::halved) });
        }
        reduced
    }

    /// Draws `source` into this frame, clipped at its edges, with bilinear interpolation. Large
    /// sources are halved first, until no pixel is skipped.
    pub(crate) fn draw(&mut self, source: &Self, placement: Placement) {
        self.draw_scaled(source, placement, Edge::Sharp);
    }

    /// Draws `source` over the whole frame. Outside its edges a blur of the values at the edges
    /// continues it; the picture fades into the blur without a visible edge.
    pub(crate) fn draw_continued(&mut self, source: &Self, placement: Placement) {
        // The blur is the source after many halvings, drawn large again.
        let halvings = (source.width().min(source.height()) as f64 / BLUR_PIXELS).log2().max(0.0) as u32;
        let blur = source.reduced(halvings);
        let scale = placement.scale * f64::from(1_u32 << halvings);
        self.draw_scaled(&blur, Placement { scale, ..placement }, Edge::GoesOn);
        self.draw_scaled(source, placement, Edge::Melts);
    }

    /// A mask: its planes hold the coverage of each pixel, 0 to 255.
    pub(crate) fn of_cover(cover: Plane) -> Self {
        let chroma = cover.halved();
        Self { planes: [cover, chroma.clone(), chroma] }
    }

    /// Draws `source` through the mask `cover`, which has `cover_scale` pixels for each pixel of
    /// the source. The last row continues to the lower end of the frame, because photos end at the
    /// chest.
    pub(crate) fn draw_covered(&mut self, source: &Self, cover: &Self, cover_scale: f64, placement: Placement) {
        let mut drawn = self.clone();
        drawn.draw_scaled(source, placement, Edge::GoesOnBelow);
        let mut covered = Self::plain(self.width(), self.height(), [0; 3]);
        let scale = placement.scale / cover_scale;
        covered.draw_scaled(cover, Placement { scale, ..placement }, Edge::GoesOnBelow);
        for ((plane, drawn), covered) in self.planes.iter_mut().zip(drawn.planes).zip(covered.planes) {
            for ((pixel, drawn), cover) in plane.bytes.iter_mut().zip(drawn.bytes).zip(covered.bytes) {
                let [before, drawn, cover] = [*pixel, drawn, cover].map(u32::from);
                *pixel = ((drawn * cover + before * (255 - cover) + 127) / 255) as u8;
            }
        }
    }

    fn draw_scaled(&mut self, source: &Self, placement: Placement, edge: Edge) {
        let halvings = if placement.scale < 1.0 { (1.0 / placement.scale).log2() as u32 } else { 0 };
        let reduced = source.reduced(halvings);
        for (index, (frame_plane, source_plane)) in self.planes.iter_mut().zip(&reduced.planes).enumerate() {
            // A chroma pixel covers two luma pixels, in the frame and in the source.
            let subsampling = if index == 0 { 1.0 } else { 2.0 };
            draw_plane(
                frame_plane,
                source_plane,
                placement.left_in_frame / subsampling,
                placement.top_in_frame / subsampling,
                placement.scale * f64::from(1_u32 << halvings),
                edge,
            );
        }
    }
}

/// Shorter side of the blur, in pixels.
const BLUR_PIXELS: f64 = 24.0;
/// Width of the fade into the blur, as a share of the picture's side.
const SEAM: f64 = 0.05;

/// The treatment of a drawn picture's edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Sharp,
    /// The picture becomes transparent towards its edges.
    Melts,
    /// The values at the edges continue to the end of the frame.
    GoesOn,
    /// The values at the lower edge continue; the other edges are sharp.
    GoesOnBelow,
}

/// One sample position along an axis: two neighbours, the weight of the second (of 256), and the
/// coverage (of 256).
struct Tap {
    first: usize,
    second: usize,
    weight: u32,
    cover: u32,
}

/// The frame pixels along one axis that the source covers, with the sample position of each.
fn taps(start_in_frame: f64, scale: f64, source_size: usize, frame_size: usize, edge: Edge) -> (usize, Vec<Tap>) {
    let length = source_size as f64 * scale;
    let (first, end) = match edge {
        Edge::Sharp | Edge::Melts => (start_in_frame, start_in_frame + length),
        Edge::GoesOn => (0.0, frame_size as f64),
        Edge::GoesOnBelow => (start_in_frame, frame_size as f64),
    };
    let first = first.round().clamp(0.0, frame_size as f64) as usize;
    let end = end.round().clamp(0.0, frame_size as f64) as usize;
    let last = source_size - 1;
    let taps = (first..end.max(first))
        .map(|at| {
            // Pixel centres lie at half-integers.
            let from_start = at as f64 + 0.5 - start_in_frame;
            let position = (from_start / scale - 0.5).clamp(0.0, last as f64);
            let first = position as usize;
            let cover = match edge {
                Edge::Sharp | Edge::GoesOn | Edge::GoesOnBelow => 256,
                Edge::Melts => (from_start.min(length - from_start) / (SEAM * length) * 256.0).clamp(0.0, 256.0) as u32,
            };
            Tap { first, second: (first + 1).min(last), weight: (position.fract() * 256.0) as u32, cover }
        })
        .collect();
    (first, taps)
}

fn draw_plane(frame: &mut Plane, source: &Plane, left: f64, top: f64, scale: f64, edge: Edge) {
    let beside = if edge == Edge::GoesOnBelow { Edge::Sharp } else { edge };
    let (first_column, columns) = taps(left, scale, source.width, frame.width, beside);
    let (first_row, rows) = taps(top, scale, source.height, frame.height, edge);
    for (row, frame_row) in rows.iter().zip(frame.bytes.chunks_exact_mut(frame.width).skip(first_row)) {
        let upper = &source.bytes[row.first * source.width..][..source.width];
        let lower = &source.bytes[row.second * source.width..][..source.width];
        for (column, pixel) in columns.iter().zip(&mut frame_row[first_column..]) {
            let across = |line: &[u8]| {
                u32::from(line[column.first]) * (256 - column.weight) + u32::from(line[column.second]) * column.weight
            };
            let value = (across(upper) * (256 - row.weight) + across(lower) * row.weight + (1 << 15)) >> 16;
            let cover = column.cover * row.cover;
            *pixel = ((value * cover + u32::from(*pixel) * ((1 << 16) - cover) + (1 << 15)) >> 16) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Picture {
        let mut picture = Picture::plain(width, height, [0, 128, 128]);
        for (at, byte) in picture.planes[0].bytes.iter_mut().enumerate() {
            *byte = ((at % width) * 255 / (width - 1)) as u8;
        }
        picture
    }

    #[test]
    fn a_picture_drawn_at_its_own_size_and_place_is_unchanged() {
        let source = ramp(64, 48);
        let mut frame = Picture::plain(64, 48, [7, 7, 7]);
        frame.draw(&source, Placement { left_in_frame: 0.0, top_in_frame: 0.0, scale: 1.0 });
        assert_eq!(frame, source);
    }

    #[test]
    fn only_the_covered_part_changes() {
        let source = Picture::plain(10, 10, [200, 90, 90]);
        let mut frame = Picture::plain(40, 30, [16, 128, 128]);
        frame.draw(&source, Placement { left_in_frame: 10.0, top_in_frame: 5.0, scale: 2.0 });
        let luma = &frame.planes[0];
        let bright = luma.bytes.iter().filter(|&&byte| byte == 200).count();
        assert_eq!(bright, 20 * 20);
        assert_eq!(luma.bytes.iter().filter(|&&byte| byte == 16).count(), 40 * 30 - 20 * 20);
        assert_eq!(luma.bytes[5 * 40 + 10], 200);
        assert_eq!(luma.bytes[5 * 40 + 9], 16);
    }

    #[test]
    fn a_picture_is_clipped_at_the_frame() {
        let source = Picture::plain(10, 10, [200, 90, 90]);
        let mut frame = Picture::plain(40, 30, [16, 128, 128]);
        for (left, top) in [(-15.0, 0.0), (35.0, 25.0), (-100.0, 0.0), (100.0, 100.0), (0.0, -500.0)] {
            frame.draw(&source, Placement { left_in_frame: left, top_in_frame: top, scale: 2.0 });
        }
        let bright = frame.planes[0].bytes.iter().filter(|&&byte| byte == 200).count();
        assert_eq!(bright, 5 * 20 + 5 * 5);
    }

    #[test]
    fn a_much_smaller_picture_keeps_its_mean() {
        // Fine stripes: without halving, every sample would hit the same stripe.
        let mut source = Picture::plain(256, 256, [0, 128, 128]);
        for (at, byte) in source.planes[0].bytes.iter_mut().enumerate() {
            *byte = if at % 2 == 0 { 0 } else { 200 };
        }
        let mut frame = Picture::plain(32, 32, [0, 128, 128]);
        frame.draw(&source, Placement { left_in_frame: 0.0, top_in_frame: 0.0, scale: 0.125 });
        assert!(frame.planes[0].bytes.iter().all(|&byte| (95..=105).contains(&byte)));
    }

    #[test]
    fn a_continued_picture_has_no_edge() {
        let source = Picture::plain(200, 120, [180, 90, 140]);
        let mut frame = Picture::plain(320, 240, [16, 128, 128]);
        frame.draw_continued(&source, Placement { left_in_frame: 100.0, top_in_frame: -30.0, scale: 0.9 });
        for (plane, value) in frame.planes.iter().zip([180, 90, 140]) {
            assert!(plane.bytes.iter().all(|&byte| byte == value));
        }
        // A picture with a dark left and a bright right side: no step except its own.
        let mut frame = Picture::plain(320, 240, [16, 128, 128]);
        frame.draw_continued(&ramp(200, 120), Placement { left_in_frame: 60.0, top_in_frame: 60.0, scale: 1.0 });
        let step = frame.planes[0]
            .bytes
            .chunks_exact(320)
            .map(|row| row.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap());
        assert!(step.max().unwrap() < 8);
        assert_eq!(frame.planes[0].bytes[120 * 320 + 160], ramp(200, 120).planes[0].bytes[100]);
    }

    #[test]
    fn a_masked_picture_is_drawn_and_continued_below() {
        let source = Picture::plain(40, 20, [200, 90, 140]);
        let mut cover = Plane::filled(20, 10, 0);
        cover.bytes.chunks_exact_mut(20).for_each(|row| row[10..].fill(255));
        let mut frame = Picture::plain(80, 60, [16, 128, 128]);
        let placement = Placement { left_in_frame: 20.0, top_in_frame: 10.0, scale: 1.0 };
        frame.draw_covered(&source, &Picture::of_cover(cover), 0.5, placement);
        let at = |x: usize, y: usize| frame.planes[0].bytes[y * 80 + x];
        assert_eq!([at(25, 20), at(55, 20), at(55, 59), at(55, 5), at(65, 20)], [16, 200, 200, 16, 16]);
        assert_eq!(frame.planes[1].bytes[10 * 40 + 27], 90);
    }

    #[test]
    fn a_part_of_a_picture_has_its_own_chroma() {
        let mut source = ramp(64, 48);
        source.planes[1].bytes[5 * 32 + 10] = 77;
        let part = source.cut(20, 10, 31, 17);
        assert_eq!((part.width(), part.height()), (11, 7));
        assert_eq!(part.planes[0].bytes[0], source.planes[0].bytes[10 * 64 + 20]);
        assert_eq!((part.planes[1].width, part.planes[1].height, part.planes[1].bytes[0]), (6, 4, 77));
    }
}
