//! A scene as PNG.

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_8X13;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::prelude::{DrawTarget, Drawable, OriginDimensions, Pixel, Point, Size};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, PremultipliedColorU8, Rect, Stroke, Transform};

use super::scene::{Anchor, Colour, INK, Scene, Shape};
use crate::error::EvalError;

pub(super) fn png(scene: &Scene) -> Result<Vec<u8>, EvalError> {
    drawn(scene, |pixels| pixels.fill(Color::WHITE))
}

/// A scene over a grey picture of its size.
pub(super) fn png_over(grey: &[u8], scene: &Scene) -> Result<Vec<u8>, EvalError> {
    drawn(scene, |pixels| {
        let opaque = |grey: &u8| {
            PremultipliedColorU8::from_rgba(*grey, *grey, *grey, u8::MAX)
                .unwrap_or_else(|| unreachable!("what is opaque is no darker than its colours"))
        };
        pixels.pixels_mut().iter_mut().zip(grey).for_each(|(pixel, grey)| *pixel = opaque(grey));
    })
}

fn drawn(scene: &Scene, on: impl FnOnce(&mut Pixmap)) -> Result<Vec<u8>, EvalError> {
    let failed = |what: &str| EvalError::Plot(what.to_owned());
    let mut pixels = Pixmap::new(scene.width, scene.height).ok_or_else(|| failed("it has no size"))?;
    on(&mut pixels);
    scene.shapes.iter().for_each(|shape| draw(shape, &mut pixels));
    pixels.encode_png().map_err(|error| failed(&error.to_string()))
}

fn draw(shape: &Shape, pixels: &mut Pixmap) {
    match shape {
        Shape::Line { points, colour, width } => {
            let mut path = PathBuilder::new();
            for (index, (x, y)) in points.iter().enumerate() {
                if index == 0 { path.move_to(*x, *y) } else { path.line_to(*x, *y) }
            }
            // A line of less than two points has no path and shows nothing.
            if let Some(path) = path.finish() {
                let stroke = Stroke { width: *width, ..Stroke::default() };
                pixels.stroke_path(&path, &paint(*colour, 1.0), &stroke, Transform::identity(), None);
            }
        }
        Shape::Box { at: (x, y, w, h), colour, opacity } => {
            if let Some(rect) = Rect::from_xywh(*x, *y, *w, *h) {
                pixels.fill_rect(rect, &paint(*colour, *opacity), Transform::identity(), None);
            }
        }
        Shape::Dot { at: (x, y), radius, colour } => {
            if let Some(path) = PathBuilder::from_circle(*x, *y, *radius) {
                pixels.fill_path(&path, &paint(*colour, 1.0), FillRule::Winding, Transform::identity(), None);
            }
        }
        Shape::Text { at: (x, y), text, anchor } => {
            let alignment = match anchor {
                Anchor::Start => Alignment::Left,
                Anchor::Middle => Alignment::Center,
                Anchor::End => Alignment::Right,
            };
            let Colour(r, g, b) = INK;
            let style = MonoTextStyle::new(&FONT_8X13, Rgb888::new(r, g, b));
            let place = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Alphabetic).build();
            let at = Point::new(x.round() as i32, y.round() as i32);
            let Ok(_) = Text::with_text_style(text, at, style, place).draw(&mut Canvas(pixels));
        }
    }
}

fn paint(Colour(r, g, b): Colour, opacity: f32) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(r, g, b, (opacity.clamp(0.0, 1.0) * 255.0).round() as u8);
    paint
}

/// Where text is drawn, pixel by pixel.
struct Canvas<'p>(&'p mut Pixmap);

impl OriginDimensions for Canvas<'_> {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        let (width, height) = (self.0.width() as i32, self.0.height() as i32);
        for Pixel(Point { x, y }, colour) in pixels {
            if (0..width).contains(&x)
                && (0..height).contains(&y)
                && let Some(opaque) = PremultipliedColorU8::from_rgba(colour.r(), colour.g(), colour.b(), u8::MAX)
            {
                self.0.pixels_mut()[(y * width + x) as usize] = opaque;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::scene::SERIES;

    #[test]
    fn what_is_drawn_shows_in_its_place_and_nothing_else_does() {
        let mut scene = Scene::new(80, 40, "a box and a letter");
        scene.shapes.push(Shape::Box { at: (10.0, 10.0, 20.0, 20.0), colour: SERIES[0], opacity: 1.0 });
        scene.text(60.0, 30.0, Anchor::Middle, "H");
        // Beyond the edge, and a line of one point: drawn as far as they are there.
        scene.text(79.0, 41.0, Anchor::Start, "cut");
        scene.line(vec![(0.0, 0.0)], INK, 1.0);
        let pixels = Pixmap::decode_png(&png(&scene).expect("drawn")).expect("a PNG");
        let at = |x, y| pixels.pixel(x, y).map(|p| (p.red(), p.green(), p.blue())).expect("inside");
        assert_eq!(at(20, 20), (0x00, 0x72, 0xb2));
        assert_eq!((at(5, 5), at(40, 20)), ((255, 255, 255), (255, 255, 255)));
        let dark = (52..68).flat_map(|x| (15..32).map(move |y| (x, y))).filter(|(x, y)| at(*x, *y).0 < 64).count();
        assert!(dark > 10, "{dark} dark pixels of a letter");
    }
}
