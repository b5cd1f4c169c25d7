//! Passes and cards to be printed or shown on a phone: as PNG, SVG and PDF.
//!
//! How far away a code may be held: the camera must see about 3 pixels for each module. On A6 a
//! pass has modules of 1.7 mm and a card of 1.2 mm; on a sheet of credit-card size 1.0 mm and 0.7
//! mm. A camera that sees 1280 pixels across one metre, as a usual gate camera does at a metre,
//! sees 2.2, 1.6, 1.3 and 0.9 of them: it reads a pass on A6 at 70 cm, a card on A6 at half a
//! metre, and of credit-card size a pass at 40 cm and a card at 30 cm.

mod pdf;
mod png;
mod svg;

use qrcode::{Color, EcLevel, QrCode};

/// White margin around a code, in modules (ISO/IEC 18004).
const QUIET: usize = 4;

/// What a printed pass shows.
#[derive(Clone, Copy)]
pub struct Sheet<'a> {
    /// The text of the pass or the card, for the QR code.
    pub text: &'a str,
    /// What a person reads beside the code, such as the validity and the short id: a line each. PNG
    /// has none of it. A name only where the resident wants it there.
    pub lines: &'a [&'a str],
}

/// The size of a printed pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    /// One page of A6, the code above its lines.
    A6,
    /// A credit card (ISO/IEC 7810 ID-1) with a line to cut along, on a page of A4.
    CardOnA4,
}

/// Why nothing could be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SheetError {
    /// No QR code holds it.
    #[error("{length} bytes are too long for a QR code; a pass has 144 and a card 366")]
    TooLong {
        /// Bytes of the text.
        length: usize,
    },
    /// A picture of no size, or a huge one.
    #[error("{module_px} pixels a module is not a size to print at; 1 to {MOST_MODULE_PX} are")]
    ModuleSize {
        /// Pixels asked for.
        module_px: u32,
    },
    /// The PNG could not be written.
    #[error("the PNG encoder failed on a picture of {side_px} × {side_px} pixels")]
    Png {
        /// The picture's width and height.
        side_px: u32,
    },
}

/// The largest module of a PNG, in pixels: a card is then 69 × 64 = 4416 pixels wide.
const MOST_MODULE_PX: u32 = 64;

impl Sheet<'_> {
    /// The code as a PNG of black and white, with its white margin; `module_px` pixels a module,
    /// from 1 to 64. For a phone, 10 are good.
    ///
    /// # Errors
    /// If the text is too long for a QR code, or the size is none to print at.
    pub fn to_png(&self, module_px: u32) -> Result<Vec<u8>, SheetError> {
        if !(1..=MOST_MODULE_PX).contains(&module_px) {
            return Err(SheetError::ModuleSize { module_px });
        }
        png::write(&Modules::of(self.text)?, module_px)
    }

    /// The code and its lines as an SVG, one unit a module.
    ///
    /// # Errors
    /// If the text is too long for a QR code.
    pub fn to_svg(&self) -> Result<String, SheetError> {
        Ok(svg::write(&Modules::of(self.text)?, self.lines))
    }

    /// The code and its lines as a PDF of one page; the code as squares, not as a picture, so that
    /// any printer draws it sharp.
    ///
    /// # Errors
    /// If the text is too long for a QR code.
    pub fn to_pdf(&self, paper: Paper) -> Result<Vec<u8>, SheetError> {
        Ok(pdf::write(&Modules::of(self.text)?, self.lines, paper))
    }
}

/// Never prints the code's text: a card's is the resident's own.
impl std::fmt::Debug for Sheet<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sheet(redacted)")
    }
}

/// The modules of a code.
struct Modules {
    dark: Vec<bool>,
    size: usize,
}

/// Dark modules side by side in one row, counted from the white margin's corner.
struct Run {
    left: usize,
    top: usize,
    length: usize,
}

impl Modules {
    /// Level M. Measured at the same printed size: L reads a little better still, as its modules
    /// are larger, and Q worse; M bears 15 % of dirt and folds.
    fn of(text: &str) -> Result<Self, SheetError> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M)
            .map_err(|_| SheetError::TooLong { length: text.len() })?;
        let size = code.width();
        Ok(Self { dark: code.into_colors().into_iter().map(|color| color == Color::Dark).collect(), size })
    }

    /// Modules in a row, with the margin on both sides.
    fn side(&self) -> usize {
        self.size + 2 * QUIET
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        x < self.size && y < self.size && self.dark[y * self.size + x]
    }

    fn runs(&self) -> impl Iterator<Item = Run> {
        (0..self.size).flat_map(move |y| {
            let starts = (0..self.size).filter(move |x| self.is_dark(*x, y) && (*x == 0 || !self.is_dark(x - 1, y)));
            starts.map(move |x| {
                let length = (x..self.size).take_while(|x| self.is_dark(*x, y)).count();
                Run { left: x + QUIET, top: y + QUIET, length }
            })
        })
    }
}
