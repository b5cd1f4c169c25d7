//! Draws a person in front of the camera: live, on paper or on a screen.

use std::f64::consts::TAU;

use crate::{
    cutout::{CUTTING, mask_scale, person_mask},
    error::ClipError,
    person::{FaceBox, Person, Presentation},
    picture::{Picture, Placement},
    source::Source,
    view::{Light, View},
    walk_up::Pose,
};

/// Margin that an attack shows on each side of the face, as a share of the face's width and height.
const SHOWN_AROUND: f64 = 0.5;
/// Margin of a print, as a share of its longer side, and its white in limited-range luma.
const MARGIN: f64 = 0.05;
const PAPER: [u8; 3] = [218, 128, 128];
/// Frame of a tablet at the left and right of the screen; it is twice as wide above and below.
const RIM: f64 = 0.045;
const RIM_COLOUR: [u8; 3] = [24, 128, 128];
/// Lines of the screen along its longer side, and the darkness of the gaps between them.
const SCREEN_LINES: f64 = 511.0;
const LINE_DEPTH: f64 = 0.07;
/// The rolling band on a screen whose refresh interferes with the camera's shutter.
const BAND_DEPTH: f64 = 0.03;
/// Most luma that the lamp's reflection adds.
const GLARE: f64 = 60.0;
/// Part of the clips' fingerprint: raised when the drawing changes, so that old clips are not
/// reused.
const DRAWING: u32 = 1;

/// The versions of the drawing, for the key of the clip cache.
pub(crate) fn fingerprint() -> String {
    format!(
        "drawing {DRAWING} {CUTTING} {SHOWN_AROUND} {MARGIN} {PAPER:?} {RIM} {RIM_COLOUR:?} {SCREEN_LINES} {LINE_DEPTH} \
         {BAND_DEPTH} {GLARE}"
    )
}

/// A person with their photo or video opened.
pub(crate) struct Shown {
    presentation: Presentation,
    face_box: Option<FaceBox>,
    source: Source,
    /// The object in front of the camera, if it does not change.
    held: Option<Held>,
    /// The mask of the person in a photo whose face box is given.
    mask: Option<Picture>,
}

impl Shown {
    pub(crate) fn open(person: &Person, fps: u32) -> Result<Self, ClipError> {
        let mut source = person.open(fps)?;
        let Person { face_box, presentation, .. } = *person;
        let stays = match presentation {
            Presentation::Live => false,
            Presentation::Print => true,
            Presentation::Replay | Presentation::DarkMode => matches!(source, Source::Photo(_)),
        };
        let held = if stays { Held::of(presentation, source.next()?.as_ref(), face_box) } else { None };
        let mask = match (&source, presentation, face_box) {
            (Source::Photo(photo), Presentation::Live, Some(face)) => Some(person_mask(photo, face)?),
            _ => None,
        };
        Ok(Self { presentation, face_box, source, held, mask })
    }

    /// Draws the person over the whole frame or a part of it, `seconds` after they appeared.
    pub(crate) fn draw(&mut self, frame: &mut Picture, pose: Pose, seconds: f64) -> Result<(), ClipError> {
        if let Some(held) = &self.held {
            held.draw(frame, pose, seconds);
            return Ok(());
        }
        let picture = self.source.next()?;
        let face = face_in(&picture, self.face_box);
        let placement = placement(pose, face, frame);
        match (Held::of(self.presentation, &picture, self.face_box), &self.mask) {
            (Some(held), _) => held.draw(frame, pose, seconds),
            (None, Some(mask)) => frame.draw_covered(&picture, mask, mask_scale(face), placement),
            (None, None) => frame.draw_continued(&picture, placement),
        }
        Ok(())
    }
}

fn face_in(picture: &Picture, face_box: Option<FaceBox>) -> FaceBox {
    face_box.unwrap_or(FaceBox(0.0, 0.0, picture.width() as f64, picture.height() as f64))
}

/// The placement that puts a picture's face into the pose.
fn placement(pose: Pose, FaceBox(x, y, width, height): FaceBox, frame: &Picture) -> Placement {
    let scale = pose.face_height * frame.height() as f64 / height;
    Placement {
        left_in_frame: pose.centre_x * frame.width() as f64 - (x + width / 2.0) * scale,
        top_in_frame: pose.centre_y * frame.height() as f64 - (y + height / 2.0) * scale,
        scale,
    }
}

/// A print or a tablet: a flat object that shows a face.
struct Held {
    picture: Picture,
    face: FaceBox,
    /// True for a screen, which emits light.
    is_screen: bool,
}

impl Held {
    /// `None` for a live person.
    fn of(presentation: Presentation, picture: &Picture, face_box: Option<FaceBox>) -> Option<Self> {
        let face = face_in(picture, face_box);
        match presentation {
            Presentation::Live => None,
            Presentation::Print => Some(Self::print(picture, face)),
            Presentation::Replay => Some(Self::tablet(picture, face)),
            Presentation::DarkMode => Some(Self::tablet(&inverted(picture), face)),
        }
    }

    /// A print: its black and white are less extreme than a screen's, and its colours are weaker.
    fn print(picture: &Picture, face: FaceBox) -> Self {
        let tone = |luma: u8| 16.0 + 0.8 * (f64::from(luma) - 16.0) + 33.0;
        let colour = |chroma: u8| 128.0 + 0.8 * (f64::from(chroma) - 128.0);
        let (shown, face) = around(picture, face, tone, colour);
        let margin = even(MARGIN * shown.width().max(shown.height()) as f64);
        Self::framed(&shown, face, [margin, margin], PAPER, false)
    }

    /// A tablet: it has more contrast than paper and a slight blue tint.
    fn tablet(picture: &Picture, face: FaceBox) -> Self {
        let tone = |luma: u8| 16.0 + 236.0 * ((f64::from(luma) - 16.0).max(0.0) / 219.0).powf(1.15);
        let (shown, face) = around(picture, face, tone, f64::from);
        let rim = even(RIM * shown.width().max(shown.height()) as f64);
        Self::framed(&shown, face, [rim, 2 * rim], RIM_COLOUR, true)
    }

    fn framed(shown: &Picture, face: FaceBox, [beside, above]: [usize; 2], colour: [u8; 3], is_screen: bool) -> Self {
        let mut picture = Picture::plain(shown.width() + 2 * beside, shown.height() + 2 * above, colour);
        let (left, top) = (beside as f64, above as f64);
        picture.draw(shown, Placement { left_in_frame: left, top_in_frame: top, scale: 1.0 });
        let FaceBox(x, y, width, height) = face;
        Self { picture, face: FaceBox(x + left, y + top, width, height), is_screen }
    }

    fn draw(&self, frame: &mut Picture, pose: Pose, seconds: f64) {
        let FaceBox(x, y, width, height) = self.face;
        // A hand moves more than a head.
        let (drift_x, drift_y) = (0.004 * (seconds * 5.3).sin(), 0.004 * (seconds * 4.1 + 1.0).sin());
        let turn = if self.is_screen { -2.0 } else { 2.0 } + 1.5 * (seconds * 1.5).sin();
        let view = View {
            pivot_in_source: (x + width / 2.0, y + height / 2.0),
            pivot_in_frame: (
                (pose.centre_x + drift_x) * frame.width() as f64,
                (pose.centre_y + drift_y) * frame.height() as f64,
            ),
            scale: pose.face_height * frame.height() as f64 / height,
            tilt: f64::to_radians(turn),
            slant: if self.is_screen { 0.05 } else { 0.1 } / frame.width() as f64,
        };
        if self.is_screen {
            let waves = Waves::new();
            let (width, height) = (self.picture.width() as f64, self.picture.height() as f64);
            frame.draw_at_a_slant(&self.picture, view, |u, v| screen_light(&waves, u, v, width, height, seconds));
        } else {
            frame.draw_at_a_slant(&self.picture, view, |_, _| Light { gain: 1.0, glare: 0.0 });
        }
    }
}

fn screen_light(waves: &Waves, u: f64, v: f64, width: f64, height: f64, seconds: f64) -> Light {
    let lines = SCREEN_LINES / width.max(height);
    let band = waves.cosine(2.0 * v / height + 0.7 * seconds);
    // A camera pixel samples one point of the screen, so lines finer than a pixel appear as broad
    // ones.
    let gain = 1.0 + LINE_DEPTH * (waves.cosine(lines * u) + waves.cosine(lines * v)) + BAND_DEPTH * band;
    let (from_lamp_x, from_lamp_y) = ((u / width - 0.75) / 0.4, (v / height - 0.15) / 0.3);
    let near_lamp = (1.0 - from_lamp_x * from_lamp_x - from_lamp_y * from_lamp_y).max(0.0);
    Light { gain, glare: GLARE * near_lamp * near_lamp }
}

/// A table of the cosine, which every pixel needs three times.
struct Waves([f64; 1024]);

impl Waves {
    fn new() -> Self {
        Self(std::array::from_fn(|index| (TAU * index as f64 / 1024.0).cos()))
    }

    /// The cosine of an angle in full turns.
    fn cosine(&self, turns: f64) -> f64 {
        self.0[(turns.rem_euclid(1.0) * 1024.0) as usize % 1024]
    }
}

/// The part of the picture that an attack shows, with its tones, and the face in it.
fn around(
    picture: &Picture,
    FaceBox(x, y, width, height): FaceBox,
    tone: impl Fn(u8) -> f64,
    colour: impl Fn(u8) -> f64,
) -> (Picture, FaceBox) {
    let (all_width, all_height) = (picture.width() as f64, picture.height() as f64);
    let from = |face: f64, side: f64, all: f64| even((face - SHOWN_AROUND * side).clamp(0.0, all));
    let to = |face: f64, side: f64, all: f64| (face + (1.0 + SHOWN_AROUND) * side).clamp(2.0, all) as usize;
    let (left, top) = (from(x, width, all_width), from(y, height, all_height));
    let (right, bottom) = (to(x, width, all_width), to(y, height, all_height));
    let mut shown = picture.cut(left.min(right - 2), top.min(bottom - 2), right, bottom);
    let [luma, chroma @ ..] = &mut shown.planes;
    luma.map(|value| (tone(value) + 0.5).clamp(16.0, 235.0) as u8);
    chroma.iter_mut().for_each(|plane| plane.map(|value| (colour(value) + 0.5).clamp(16.0, 240.0) as u8));
    (shown, FaceBox(x - left as f64, y - top as f64, width, height))
}

/// The picture with light and dark exchanged, in limited range.
fn inverted(picture: &Picture) -> Picture {
    let mut inverted = picture.clone();
    let [luma, chroma @ ..] = &mut inverted.planes;
    luma.map(|value| 251 - value.clamp(16, 235));
    chroma.iter_mut().for_each(|plane| plane.map(|value| (256 - u16::from(value.clamp(16, 240))) as u8));
    inverted
}

fn even(pixels: f64) -> usize {
    pixels as usize / 2 * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSE: Pose = Pose { face_height: 0.5, centre_x: 0.5, centre_y: 0.25 };
    const FACE: FaceBox = FaceBox(50.0, 60.0, 90.0, 120.0);

    /// A grey picture with a white face box.
    fn photo() -> Picture {
        let mut photo = Picture::plain(200, 300, [100, 128, 128]);
        let FaceBox(x, y, width, height) = FACE;
        let face = Picture::plain(width as usize, height as usize, [200, 128, 128]);
        photo.draw(&face, Placement { left_in_frame: x, top_in_frame: y, scale: 1.0 });
        photo
    }

    fn drawn(presentation: Presentation, seconds: f64) -> Picture {
        let mut frame = Picture::plain(1280, 720, [150, 128, 128]);
        let source = Source::Photo(photo());
        let held = Held::of(presentation, &photo(), Some(FACE));
        let mask = (presentation == Presentation::Live).then(|| person_mask(&photo(), FACE).expect("cut"));
        let mut shown = Shown { presentation, face_box: Some(FACE), source, held, mask };
        shown.draw(&mut frame, POSE, seconds).expect("drawn");
        frame
    }

    #[test]
    fn the_face_box_is_drawn_in_the_pose() {
        let frame = Picture::plain(1280, 720, [0; 3]);
        let placed = placement(POSE, FACE, &frame);
        assert!((placed.scale - 3.0).abs() < 1e-9, "120 px become 360");
        assert!((placed.left_in_frame + (50.0 + 45.0) * 3.0 - 640.0).abs() < 1e-9);
        assert!((placed.top_in_frame + (60.0 + 60.0) * 3.0 - 180.0).abs() < 1e-9);
        let whole = face_in(&photo(), None);
        assert!((placement(POSE, whole, &frame).scale - 1.2).abs() < 1e-9, "the whole photo is 360 px high");
    }

    #[test]
    fn every_presentation_shows_the_face_in_the_same_place_and_size() {
        for presentation in [Presentation::Live, Presentation::Print, Presentation::Replay] {
            let frame = drawn(presentation, 0.0);
            let row = |y: usize| &frame.planes[0].bytes[y * 1280..][..1280];
            // On every medium the face is brighter than the rest of the photo.
            let beside = row(300)[460];
            let width = row(300)[500..780].iter().filter(|&&luma| luma > beside + 30).count();
            assert!((235..=275).contains(&width), "{presentation:?}: {width} px wide instead of about 270");
        }
    }

    #[test]
    fn only_an_attack_has_an_edge_and_wall_around_it() {
        let wall = |frame: &Picture| frame.planes[0].bytes.iter().filter(|&&luma| luma == 150).count();
        let rim = |frame: &Picture| frame.planes[0].bytes.iter().filter(|&&luma| luma < 40).count();
        let [live, print, replay] = [Presentation::Live, Presentation::Print, Presentation::Replay]
            .map(|presentation| drawn(presentation, 0.0));
        assert!(wall(&live) > 300_000 && rim(&live) == 0, "{} {}: cut out", wall(&live), rim(&live));
        assert!(wall(&print) > 300_000 && rim(&print) == 0, "{} {}", wall(&print), rim(&print));
        assert!(print.planes[0].bytes.iter().filter(|&&luma| luma == PAPER[0]).count() > 5_000, "a white margin");
        assert!(wall(&replay) > 300_000 && rim(&replay) > 5_000, "{} {}", wall(&replay), rim(&replay));
    }

    #[test]
    fn dark_mode_exchanges_light_and_dark() {
        let frame = drawn(Presentation::DarkMode, 0.0);
        let row = &frame.planes[0].bytes[300 * 1280..][..1280];
        let beside = row[460];
        let width = row[500..780].iter().filter(|&&luma| luma + 30 < beside).count();
        assert!((235..=275).contains(&width), "the light face is dark: {width} px wide instead of about 270");
        assert_eq!(inverted(&inverted(&photo())), photo());
    }

    #[test]
    fn a_held_object_never_stays_still() {
        for presentation in [Presentation::Print, Presentation::Replay] {
            assert_ne!(drawn(presentation, 1.0), drawn(presentation, 1.04), "{presentation:?}");
            assert_eq!(
                drawn(presentation, 1.0),
                drawn(presentation, 1.0),
                "{presentation:?}: a clip can be made again"
            );
        }
    }
}
