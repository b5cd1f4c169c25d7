//! A drawing of lines, boxes and text in pixels; drawn as SVG or PNG.

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

/// Axes and frames.
pub const INK: Colour = Colour(0x22, 0x22, 0x22);
/// Lines to read values by.
pub const GRID: Colour = Colour(0xdd, 0xdd, 0xdd);
pub(super) const WHITE: Colour = Colour(0xff, 0xff, 0xff);
/// Told apart by colour-blind people too (Okabe and Ito, 2008).
pub const SERIES: [Colour; 6] = [
    Colour(0x00, 0x72, 0xb2),
    Colour(0xd5, 0x5e, 0x00),
    Colour(0x00, 0x9e, 0x73),
    Colour(0xcc, 0x79, 0xa7),
    Colour(0xe6, 0x9f, 0x00),
    Colour(0x56, 0xb4, 0xe9),
];

/// Where a text's given point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// At its beginning.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Through these points.
    Line { points: Vec<(f32, f32)>, colour: Colour, width: f32 },
    /// Filled; left, top, width, height. `opacity` is 0–1.
    Box { at: (f32, f32, f32, f32), colour: Colour, opacity: f32 },
    /// Filled.
    Dot { at: (f32, f32), radius: f32, colour: Colour },
    /// The point lies on the base line.
    Text { at: (f32, f32), text: String, anchor: Anchor },
}

/// Shapes, drawn in their order on white.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    pub(super) width: u32,
    pub(super) height: u32,
    /// The alternative text for readers who can't see the plot.
    pub(super) title: String,
    pub(super) shapes: Vec<Shape>,
}

impl Scene {
    /// An empty drawing, in pixels.
    pub fn new(width: u32, height: u32, title: impl Into<String>) -> Self {
        Self { width, height, title: title.into(), shapes: Vec::new() }
    }

    /// Adds a line through these points.
    pub fn line(&mut self, points: Vec<(f32, f32)>, colour: Colour, width: f32) {
        self.shapes.push(Shape::Line { points, colour, width });
    }

    /// Adds a filled circle.
    pub fn dot(&mut self, at: (f32, f32), radius: f32, colour: Colour) {
        self.shapes.push(Shape::Dot { at, radius, colour });
    }

    /// Adds a text, whose base line is at `y`.
    pub fn text(&mut self, x: f32, y: f32, anchor: Anchor, text: impl Into<String>) {
        self.shapes.push(Shape::Text { at: (x, y), text: text.into(), anchor });
    }
}

/// The part of a scene within a plot's axes, and the way from values (0–1 each) to pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
}

impl Frame {
    pub(super) fn at(&self, x: f64, y: f64) -> (f32, f32) {
        let (x, y) = (x.clamp(0.0, 1.0) as f32, y.clamp(0.0, 1.0) as f32);
        (self.left + x * (self.right - self.left), self.bottom - y * (self.bottom - self.top))
    }

    pub(super) fn tick_x(&self, scene: &mut Scene, x: f64, label: &str) {
        let (at, _) = self.at(x, 0.0);
        scene.line(vec![(at, self.top), (at, self.bottom)], GRID, 1.0);
        scene.text(at, self.bottom + 18.0, Anchor::Middle, label);
    }

    pub(super) fn tick_y(&self, scene: &mut Scene, y: f64, label: &str) {
        let (_, at) = self.at(0.0, y);
        scene.line(vec![(self.left, at), (self.right, at)], GRID, 1.0);
        scene.text(self.left - 8.0, at + 4.0, Anchor::End, label);
    }

    pub(super) fn outline(&self, scene: &mut Scene) {
        let Self { left, top, right, bottom } = *self;
        scene.line(vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], INK, 1.0);
    }

    /// Colours and what they stand for, at the top right.
    pub(super) fn legend(&self, scene: &mut Scene, entries: &[(Colour, String)]) {
        let longest = entries.iter().map(|(_, name)| name.chars().count()).max().unwrap_or(0);
        let (left, width) = (self.right - 46.0 - 8.0 * longest as f32, 38.0 + 8.0 * longest as f32);
        let height = 8.0 + 20.0 * entries.len() as f32;
        scene.shapes.push(Shape::Box { at: (left, self.top + 8.0, width, height), colour: WHITE, opacity: 0.9 });
        for (row, (colour, name)) in entries.iter().enumerate() {
            let y = self.top + 26.0 + 20.0 * row as f32;
            scene.line(vec![(left + 6.0, y - 4.0), (left + 26.0, y - 4.0)], *colour, 3.0);
            scene.text(left + 32.0, y, Anchor::Start, name.as_str());
        }
    }
}
