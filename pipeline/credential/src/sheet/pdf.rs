//! A code as PDF: one page, squares and text.

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str};

use super::{Modules, Paper};

/// Points in a millimetre.
const MM: f32 = 72.0 / 25.4;

/// Latin text, in a font that every viewer has.
const LATIN: Name = Name(b"F1");
/// Any other text, in the Chinese font that viewers have or replace.
const HAN: Name = Name(b"F2");

/// Where things stand on a page, in points from its lower left corner.
struct Layout {
    page: (f32, f32),
    /// The card to cut out.
    cut: Option<Rect>,
    /// Lower left corner and side of the code with its margin.
    code: (f32, f32, f32),
    /// Left end and height of the first line.
    lines: (f32, f32),
    /// Room for a line, and its font size where it fits.
    line_width: f32,
    font_size: f32,
}

impl Layout {
    fn of(paper: Paper) -> Self {
        match paper {
            Paper::A6 => Self {
                page: (105.0 * MM, 148.0 * MM),
                cut: None,
                code: (10.0 * MM, 53.0 * MM, 85.0 * MM),
                lines: (15.0 * MM, 45.0 * MM),
                line_width: 75.0 * MM,
                font_size: 12.0,
            },
            Paper::CardOnA4 => {
                let (left, bottom, width, height) = (20.0 * MM, 220.0 * MM, 85.6 * MM, 53.98 * MM);
                Self {
                    page: (210.0 * MM, 297.0 * MM),
                    cut: Some(Rect::new(left, bottom, left + width, bottom + height)),
                    code: (left + 1.0 * MM, bottom + 2.0 * MM, 50.0 * MM),
                    lines: (left + 52.0 * MM, bottom + 42.0 * MM),
                    line_width: 31.0 * MM,
                    font_size: 8.0,
                }
            }
        }
    }
}

pub(super) fn write(modules: &Modules, lines: &[&str], paper: Paper) -> Vec<u8> {
    let layout = Layout::of(paper);
    let [catalog, pages, page, content, latin, han, han_cid, han_descriptor] =
        std::array::from_fn(|i| Ref::new(i as i32 + 1));
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    let mut dict = pdf.page(page);
    dict.parent(pages).media_box(Rect::new(0.0, 0.0, layout.page.0, layout.page.1)).contents(content);
    let mut resources = dict.resources();
    let mut fonts = resources.fonts();
    fonts.pair(LATIN, latin).pair(HAN, han);
    fonts.finish();
    resources.finish();
    dict.finish();
    pdf.type1_font(latin).base_font(Name(b"Helvetica")).encoding_predefined(Name(b"WinAnsiEncoding"));
    han_font(&mut pdf, han, han_cid, han_descriptor);
    pdf.stream(content, &draw(modules, lines, &layout));
    pdf.finish()
}

/// A font that stands in no file of ours: viewers bring their own for it (ISO 32000-1, 9.7.5.2).
fn han_font(pdf: &mut Pdf, font: Ref, cid: Ref, descriptor: Ref) {
    let name = Name(b"STSong-Light");
    pdf.type0_font(font).base_font(name).encoding_predefined(Name(b"UniGB-UTF16-H")).descendant_font(cid);
    pdf.cid_font(cid)
        .subtype(CidFontType::Type0)
        .base_font(name)
        .system_info(SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"GB1"), supplement: 4 })
        .font_descriptor(descriptor)
        .default_width(1000.0);
    pdf.font_descriptor(descriptor)
        .name(name)
        .flags(FontFlags::SYMBOLIC | FontFlags::SERIF)
        .bbox(Rect::new(-25.0, -254.0, 1000.0, 880.0))
        .italic_angle(0.0)
        .ascent(880.0)
        .descent(-120.0)
        .cap_height(880.0)
        .stem_v(93.0);
}

fn draw(modules: &Modules, lines: &[&str], layout: &Layout) -> Vec<u8> {
    let mut content = Content::new();
    if let Some(cut) = layout.cut {
        content.set_stroke_gray(0.6).set_line_width(0.3);
        content.rect(cut.x1, cut.y1, cut.x2 - cut.x1, cut.y2 - cut.y1).stroke();
    }
    let (left, bottom, side) = layout.code;
    let module = side / modules.side() as f32;
    content.set_fill_gray(0.0);
    for run in modules.runs() {
        let top = bottom + side - run.top as f32 * module;
        content.rect(left + run.left as f32 * module, top - module, run.length as f32 * module, module);
    }
    content.fill_nonzero();
    let mut y = layout.lines.1;
    for line in lines {
        let (font, bytes, ems) = encoded(line);
        let size = layout.font_size.min(layout.line_width / ems.max(1.0));
        content.begin_text().set_font(font, size).next_line(layout.lines.0, y).show(Str(&bytes)).end_text();
        y -= 1.4 * layout.font_size;
    }
    content.finish().to_vec()
}

/// The font of a line, its bytes, and its width at most, in units of the font's size.
fn encoded(line: &str) -> (Name<'static>, Vec<u8>, f32) {
    let latin = |c: char| u8::try_from(c).ok().filter(|byte| matches!(byte, 0x20..=0x7e | 0xa0..));
    let count = line.chars().count() as f32;
    match line.chars().map(latin).collect::<Option<Vec<u8>>>() {
        // Helvetica's digits and most of its letters are no wider than this.
        Some(bytes) => (LATIN, bytes, 0.6 * count),
        None => (HAN, line.encode_utf16().flat_map(u16::to_be_bytes).collect(), count),
    }
}
