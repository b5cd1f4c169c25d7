//! Pictures for tests.

use crate::{ColourSpace, Matrix, Range, Size, YuvPicture};

/// Every colour space.
pub const COLOUR_SPACES: [ColourSpace; 6] = {
    const fn both(matrix: Matrix) -> [ColourSpace; 2] {
        [ColourSpace { matrix, range: Range::Limited }, ColourSpace { matrix, range: Range::Full }]
    }
    let [a, b, c] = [both(Matrix::Bt601), both(Matrix::Bt709), both(Matrix::Bt2020)];
    [a[0], a[1], b[0], b[1], c[0], c[1]]
};

/// A 4:2:0 picture that owns its planes, without padding between the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestPicture {
    size: Size,
    luma: Vec<u8>,
    /// U and V.
    chroma: [Vec<u8>; 2],
    /// The same chroma, interleaved.
    interleaved: Vec<u8>,
}

impl TestPicture {
    /// A picture with these planes, row by row; chroma has half the width and half the height.
    ///
    /// # Panics
    /// If the planes do not fit the size.
    pub fn new(size: Size, luma: Vec<u8>, chroma: [Vec<u8>; 2]) -> Self {
        let interleaved = chroma[0].iter().zip(&chroma[1]).flat_map(|(u, v)| [*u, *v]).collect();
        let picture = Self { size, luma, chroma, interleaved };
        let samples = size.width * size.height;
        assert_eq!(picture.luma.len(), samples, "luma of {size}");
        assert_eq!(picture.chroma.each_ref().map(Vec::len), [samples / 4; 2], "chroma of {size}");
        picture
    }

    /// A colourless picture with this luma, row by row.
    ///
    /// # Panics
    /// If the luma does not fit the size.
    pub fn grey(size: Size, luma: Vec<u8>) -> Self {
        let neutral = vec![128; size.width * size.height / 4];
        Self::new(size, luma, [neutral.clone(), neutral])
    }

    /// A colourless picture whose luma is the same everywhere.
    pub fn uniform(size: Size, luma: u8) -> Self {
        Self::grey(size, vec![luma; size.width * size.height])
    }

    /// A colourless picture whose luma is a function of column and row.
    pub fn from_fn(size: Size, luma: impl Fn(usize, usize) -> u8) -> Self {
        let pixels = (0..size.width * size.height).map(|i| luma(i % size.width, i / size.width));
        Self::grey(size, pixels.collect())
    }

    /// Y, U and V, row by row.
    pub fn planes(&self) -> [&[u8]; 3] {
        [&self.luma, &self.chroma[0], &self.chroma[1]]
    }

    /// The picture with three planes.
    ///
    /// # Panics
    /// If a side is odd or zero.
    #[expect(clippy::expect_used, reason = "a test fails by it")]
    pub fn i420(&self) -> YuvPicture<'_> {
        let Self { size, luma, chroma: [u, v], .. } = self;
        YuvPicture::i420(*size, [luma, u, v], [size.width, size.width / 2, size.width / 2]).expect("even sides")
    }

    /// The picture with luma and interleaved chroma.
    ///
    /// # Panics
    /// If a side is odd or zero.
    #[expect(clippy::expect_used, reason = "a test fails by it")]
    pub fn nv12(&self) -> YuvPicture<'_> {
        let Self { size, luma, interleaved, .. } = self;
        YuvPicture::nv12(*size, [luma, interleaved], [size.width; 2]).expect("even sides")
    }
}
