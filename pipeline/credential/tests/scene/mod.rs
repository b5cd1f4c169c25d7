//! Draws a QR code as a gate camera would see it: held up in front of a cluttered scene, turned,
//! tilted, blurred, noisy, unevenly lit and compressed. The same scene always gives the same
//! picture.

use qrcode::{Color, QrCode};

/// How a code is shown and seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    /// Picture size in pixels.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Pixels a module, before tilt.
    pub(crate) module_px: f32,
    /// Where the code's middle is, in pixels.
    pub(crate) centre: (f32, f32),
    /// Turned in the picture's plane.
    pub(crate) rotation_deg: f32,
    /// Tilted away, about the vertical axis.
    pub(crate) tilt_deg: f32,
    /// White margin around the code, in modules; dark beyond, as a phone's frame or a sleeve.
    pub(crate) quiet_modules: f32,
    /// Luma of ink and paper, before light.
    pub(crate) ink: f32,
    pub(crate) paper: f32,
    /// Standard deviation of the blur, in pixels.
    pub(crate) blur_px: f32,
    /// Light at the picture's left and right, as a factor.
    pub(crate) light: (f32, f32),
    /// Standard deviation of the noise, in luma steps.
    pub(crate) noise: f32,
    /// Quantisation of 8 × 8 DCT blocks at a JPEG quality (1–100), as codecs of this family do.
    pub(crate) quality: Option<u32>,
    pub(crate) seed: u64,
}

impl Scene {
    /// A code held still in good light, 4 pixels a module, in a 1280 × 720 picture.
    pub(crate) fn good() -> Self {
        Self {
            width: 1280,
            height: 720,
            module_px: 4.0,
            centre: (640.0, 360.0),
            rotation_deg: 0.0,
            tilt_deg: 0.0,
            quiet_modules: 4.0,
            ink: 35.0,
            paper: 215.0,
            blur_px: 0.7,
            light: (1.0, 1.0),
            noise: 3.0,
            quality: Some(70),
            seed: 1,
        }
    }

    /// The luma plane, row by row without padding. Without a code: only what stands behind it.
    pub(crate) fn draw(&self, code: Option<&QrCode>) -> Vec<u8> {
        let mut random = Random(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut picture = self.background(&mut random);
        if let Some(code) = code {
            self.draw_code(code, &mut picture);
        }
        blur(&mut picture, self.width, self.height, self.blur_px);
        for (i, luma) in picture.iter_mut().enumerate() {
            let across = (i % self.width) as f32 / self.width as f32;
            *luma *= self.light.0 + (self.light.1 - self.light.0) * across;
            *luma += self.noise * random.normal();
        }
        if let Some(quality) = self.quality {
            compress(&mut picture, self.width, self.height, quality);
        }
        picture.into_iter().map(|luma| luma.round().clamp(0.0, 255.0) as u8).collect()
    }

    /// Boxes of many sizes and greys, some finely striped: people, bags, tiles, fences.
    fn background(&self, random: &mut Random) -> Vec<f32> {
        let mut picture = vec![120.0; self.width * self.height];
        for i in 0..160 {
            let (w, h) = (8.0 + 250.0 * random.unit().powi(3), 8.0 + 250.0 * random.unit().powi(3));
            let (left, top) =
                (random.unit() * self.width as f32 - w / 2.0, random.unit() * self.height as f32 - h / 2.0);
            let (grey, slope) = (30.0 + 200.0 * random.unit(), 40.0 * (random.unit() - 0.5));
            let stripes = (i % 4 == 0).then(|| (3.0 + 9.0 * random.unit(), 60.0 * random.unit(), random.unit() < 0.5));
            for y in top.max(0.0) as usize..((top + h).max(0.0) as usize).min(self.height) {
                for x in left.max(0.0) as usize..((left + w).max(0.0) as usize).min(self.width) {
                    let mut luma = grey + slope * ((x as f32 - left) / w - 0.5);
                    if let Some((period, depth, upright)) = stripes {
                        let along = if upright { x } else { y } as f32;
                        luma += if (along / period).fract() < 0.5 { depth } else { -depth };
                    }
                    picture[y * self.width + x] = luma;
                }
            }
        }
        picture
    }

    fn draw_code(&self, code: &QrCode, picture: &mut [f32]) {
        const FOCAL_PX: f32 = 1200.0;
        const SAMPLES: usize = 4;
        let (sin_r, cos_r) = self.rotation_deg.to_radians().sin_cos();
        let (sin_t, cos_t) = self.tilt_deg.to_radians().sin_cos();
        let size = code.width() as f32;
        let (colors, modules) = (code.to_colors(), code.width());
        let frame = self.quiet_modules + 3.0;
        let reach = (size / 2.0 + frame) * self.module_px * 2.2;
        let rows = (self.centre.1 - reach).max(0.0) as usize..((self.centre.1 + reach) as usize).min(self.height);
        for y in rows {
            let columns = (self.centre.0 - reach).max(0.0) as usize..((self.centre.0 + reach) as usize).min(self.width);
            for x in columns {
                let (mut sum, mut hits) = (0.0, 0usize);
                for sample in 0..SAMPLES * SAMPLES {
                    let sub = |i: usize| (i as f32 + 0.5) / SAMPLES as f32;
                    let px = x as f32 + sub(sample % SAMPLES) - self.centre.0;
                    let py = y as f32 + sub(sample / SAMPLES) - self.centre.1;
                    // Back through the pinhole, the tilt and the turn, to modules.
                    let plane_x = px * FOCAL_PX / (FOCAL_PX * cos_t - px * sin_t);
                    let plane_y = py * (FOCAL_PX + plane_x * sin_t) / FOCAL_PX;
                    let u = (plane_x * cos_r + plane_y * sin_r) / self.module_px + size / 2.0;
                    let v = (plane_y * cos_r - plane_x * sin_r) / self.module_px + size / 2.0;
                    let outside = (-u).max(-v).max(u - size).max(v - size);
                    sum += if outside >= frame {
                        continue;
                    } else if outside >= self.quiet_modules {
                        self.ink
                    } else if outside >= 0.0 {
                        self.paper
                    } else {
                        match colors[(v as usize).min(modules - 1) * modules + (u as usize).min(modules - 1)] {
                            Color::Dark => self.ink,
                            Color::Light => self.paper,
                        }
                    };
                    hits += 1;
                }
                let share = hits as f32 / (SAMPLES * SAMPLES) as f32;
                let luma = &mut picture[y * self.width + x];
                *luma = *luma * (1.0 - share) + sum / (SAMPLES * SAMPLES) as f32;
            }
        }
    }
}

/// xorshift64: the same numbers on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Evenly from 0 to 1.
    pub(crate) fn unit(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    /// About normal, by the sum of four.
    fn normal(&mut self) -> f32 {
        ((0..4).map(|_| self.unit()).sum::<f32>() - 2.0) * 3f32.sqrt()
    }
}

fn blur(picture: &mut [f32], width: usize, height: usize, sigma: f32) {
    if sigma <= 0.0 {
        return;
    }
    let reach = (3.0 * sigma).ceil() as isize;
    let weight = |d: isize| (-((d * d) as f32) / (2.0 * sigma * sigma)).exp();
    let total: f32 = (-reach..=reach).map(weight).sum();
    let kernel: Vec<f32> = (-reach..=reach).map(|d| weight(d) / total).collect();
    let mut across = vec![0.0; picture.len()];
    for (k, d) in kernel.iter().zip(-reach..=reach) {
        for y in 0..height {
            for x in 0..width {
                let from = x.saturating_add_signed(d).min(width - 1);
                across[y * width + x] += k * picture[y * width + from];
            }
        }
    }
    picture.fill(0.0);
    for (k, d) in kernel.iter().zip(-reach..=reach) {
        for y in 0..height {
            let from = y.saturating_add_signed(d).min(height - 1);
            let (row, source) = (&mut picture[y * width..][..width], &across[from * width..][..width]);
            row.iter_mut().zip(source).for_each(|(to, from)| *to += k * from);
        }
    }
}

/// The luminance quantisation of ITU-T T.81, annex K, by rows.
const STEPS: [u32; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
];

fn compress(picture: &mut [f32], width: usize, height: usize, quality: u32) {
    let scale = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    let mut basis = [[0.0f32; 8]; 8];
    for (k, row) in basis.iter_mut().enumerate() {
        let norm = if k == 0 { (1.0f32 / 8.0).sqrt() } else { 0.5 };
        for (i, value) in row.iter_mut().enumerate() {
            *value = norm * ((2 * i + 1) as f32 * k as f32 * std::f32::consts::PI / 16.0).cos();
        }
    }
    // What is cut off at the right and below stays as it is.
    for top in (0..height / 8).map(|i| 8 * i) {
        for left in (0..width / 8).map(|i| 8 * i) {
            let mut block = [[0.0f32; 8]; 8];
            for (y, row) in block.iter_mut().enumerate() {
                row.copy_from_slice(&picture[(top + y) * width + left..][..8]);
            }
            block = product(&product(&basis, &block), &transposed(&basis));
            for (i, value) in block.as_flattened_mut().iter_mut().enumerate() {
                let step = ((STEPS[i] * scale + 50) / 100).clamp(1, 255) as f32;
                *value = (*value / step).round() * step;
            }
            block = product(&product(&transposed(&basis), &block), &basis);
            for (y, row) in block.iter().enumerate() {
                picture[(top + y) * width + left..][..8].copy_from_slice(row);
            }
        }
    }
}

fn transposed(a: &[[f32; 8]; 8]) -> [[f32; 8]; 8] {
    std::array::from_fn(|y| std::array::from_fn(|x| a[x][y]))
}

fn product(a: &[[f32; 8]; 8], b: &[[f32; 8]; 8]) -> [[f32; 8]; 8] {
    std::array::from_fn(|y| std::array::from_fn(|x| (0..8).map(|k| a[y][k] * b[k][x]).sum()))
}
