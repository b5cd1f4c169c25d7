//! The files that a code is written to.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use gatehouse_credential::{Paper, PassId, Sheet, UnixSeconds};
use gatehouse_terminal::{Failure, print};

use crate::private_file;

/// Size of a module in a PNG: sharp on any phone.
const MODULE_PX: u32 = 10;

/// The files to write, at least one. Each is a new file that only its owner can read.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Files {
    /// Write the QR code as a PNG picture
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Write the QR code as an SVG picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write a printable sheet as PDF
    #[arg(long, value_name = "FILE")]
    pdf: Option<PathBuf>,
    /// With `--pdf`: the paper
    #[arg(long, value_enum, default_value_t = PaperSize::A6, requires = "pdf")]
    paper: PaperSize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PaperSize {
    /// A page of A6
    A6,
    /// A credit card, with a line to cut along, on a page of A4
    Card,
}

impl Files {
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        [&self.png, &self.svg, &self.pdf].into_iter().flatten().map(PathBuf::as_path)
    }

    /// Writes the files for their owner alone: a pass admits anyone who shows it.
    pub(super) fn write(&self, code: &str, id: PassId, until: UnixSeconds) -> Result<(), Failure> {
        let (number, end) = (format!("No. {}", id.short()), format!("until {until}"));
        let sheet = Sheet { text: code, lines: &[&number, &end] };
        if let Some(path) = &self.png {
            private_file::write(path, &sheet.to_png(MODULE_PX)?)?;
        }
        if let Some(path) = &self.svg {
            private_file::write(path, sheet.to_svg()?.as_bytes())?;
        }
        if let Some(path) = &self.pdf {
            let paper = match self.paper {
                PaperSize::A6 => Paper::A6,
                PaperSize::Card => Paper::CardOnA4,
            };
            private_file::write(path, &sheet.to_pdf(paper)?)?;
        }
        for path in self.all() {
            print::line(&format!("written: {}", path.display()))?;
        }
        Ok(())
    }
}
