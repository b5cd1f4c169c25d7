//! A code as SVG: one path, one unit a module.

use std::fmt::Write;

use super::Modules;

/// Height of a line of text, in modules.
const LINE: usize = 4;

pub(super) fn write(modules: &Modules, lines: &[&str]) -> String {
    let side = modules.side();
    let height = side + LINE * lines.len();
    let mut path = String::new();
    for run in modules.runs() {
        // Writing to a string can't fail.
        let _ = write!(path, "M{} {}h{length}v1h-{length}z", run.left, run.top, length = run.length);
    }
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {height}\" width=\"{side}mm\" height=\"{height}mm\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{height}h-{side}z\"/>\
         <path id=\"code\" fill=\"#000\" shape-rendering=\"crispEdges\" d=\"{path}\"/>"
    );
    for (i, line) in lines.iter().enumerate() {
        let (x, y) = (side as f32 / 2.0, side + LINE * i + LINE / 2);
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" font-family=\"sans-serif\" font-size=\"2.6\" text-anchor=\"middle\">{}</text>",
            escaped(line)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// A text as XML 1.0 takes it; what it has no place for becomes a space.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut to, c| {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => to.push(' '),
            _ => to.push(c),
        }
        to
    })
}
