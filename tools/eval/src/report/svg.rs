//! A scene as SVG, to stand inside HTML.

use std::fmt::Write;

use super::html::escape;
use super::scene::{Anchor, Colour, Scene, Shape};

fn hex(Colour(r, g, b): Colour) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Draws it as an SVG element.
pub fn svg(scene: &Scene) -> String {
    let Scene { width, height, title, shapes } = scene;
    let mut out = format!(
        "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\">\
         <title>{}</title><rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>",
        escape(title)
    );
    for shape in shapes {
        // Writing to a string doesn't fail.
        let _ = match shape {
            Shape::Line { points, colour, width } => {
                let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
                write!(
                    out,
                    "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"/>",
                    points.join(" "),
                    hex(*colour)
                )
            }
            Shape::Box { at: (x, y, w, h), colour, opacity } => write!(
                out,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"{}\" fill-opacity=\"{opacity}\"/>",
                hex(*colour)
            ),
            Shape::Dot { at: (x, y), radius, colour } => {
                write!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{}\"/>", hex(*colour))
            }
            Shape::Text { at: (x, y), text, anchor } => {
                let anchor = match anchor {
                    Anchor::Start => "start",
                    Anchor::Middle => "middle",
                    Anchor::End => "end",
                };
                write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(text))
            }
        };
    }
    out.push_str("</svg>");
    out
}
