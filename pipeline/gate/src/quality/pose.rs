//! Pose of a face, from its five landmarks.

use gatehouse_picture::Point;

/// Distance of the nose tip from the plane of eyes and mouth, in eye distances: about 30 of 63 mm.
const NOSE_DEPTH: f32 = 0.48;
/// Height of the nose tip between eyes (0) and mouth (1) of a face that looks straight ahead, as in
/// ArcFace's template of aligned faces.
const NOSE_HEIGHT: f32 = 0.495;
/// Distance from eyes to mouth in the same template, in eye distances.
const FACE_HEIGHT: f32 = 1.155;

/// Direction of a face.
///
/// The nose tip lies in front of the plane of eyes and mouth. If the head turns by an angle ψ, the
/// plane shrinks by `cos ψ` and the tip moves by `depth · sin ψ`. So the shift relative to the
/// visible width is `depth · tan ψ`: relative to the eye distance for yaw, to the eye–mouth
/// distance for pitch. The head's roll is removed first.
///
/// One average head stands for all: faces differ by about 5° in yaw and 10° in pitch, and a smile
/// or an open mouth changes the pitch. The values separate a turned face from a frontal one; they
/// are not exact angles. Beyond about 60° detectors guess the hidden landmarks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Turn to the side, −90 to 90: positive towards the right edge of the picture.
    pub yaw_degrees: f32,
    /// Nod, −90 to 90: positive downwards.
    pub pitch_degrees: f32,
}

impl Pose {
    /// Estimates the pose from right eye, left eye, nose tip, right and left mouth corner, in this
    /// order. Landmarks at one point have no pose and count as turned away.
    pub fn of(landmarks: &[Point; 5]) -> Self {
        let [right_eye, left_eye, nose, right_mouth, left_mouth] = *landmarks;
        let middle = |a: Point, b: Point| Point { x: (a.x + b.x) / 2.0, y: (a.y + b.y) / 2.0 };
        let (eyes, mouth) = (middle(right_eye, left_eye), middle(right_mouth, left_mouth));
        let eye_distance = right_eye.distance(left_eye);
        let along =
            Point { x: (left_eye.x - right_eye.x) / eye_distance, y: (left_eye.y - right_eye.y) / eye_distance };
        // Coordinates along the eyes and perpendicular to them, from the middle of the eyes.
        let across = |p: Point| (p.x - eyes.x) * along.x + (p.y - eyes.y) * along.y;
        let down = |p: Point| (p.y - eyes.y) * along.x - (p.x - eyes.x) * along.y;
        let height = down(mouth);
        // At the nose's height the face's middle lies on the line from the eyes to the mouth.
        let share = down(nose) / height;
        let sideways = (across(nose) - share * across(mouth)) / eye_distance;
        let yaw = (sideways / NOSE_DEPTH).atan();
        let pitch = ((share - NOSE_HEIGHT) / (NOSE_DEPTH / FACE_HEIGHT)).atan();
        if yaw.is_finite() && pitch.is_finite() && height > 0.0 {
            Self { yaw_degrees: yaw.to_degrees(), pitch_degrees: pitch.to_degrees() }
        } else {
            Self { yaw_degrees: 90.0, pitch_degrees: 90.0 }
        }
    }

    /// Angle between the face and the camera, in any direction: 0 to slightly above 90.
    pub fn turn_degrees(&self) -> f32 {
        self.yaw_degrees.hypot(self.pitch_degrees)
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_faces::TEMPLATE_IN_CROP;

    use super::*;

    /// The average head, turned by yaw, pitch and roll, seen from far away at one pixel per
    /// millimetre.
    fn head(yaw: f32, pitch: f32, roll: f32) -> [Point; 5] {
        let e = 63.0;
        let h = FACE_HEIGHT * e;
        let model = [
            (-e / 2.0, 0.0, 0.0),
            (e / 2.0, 0.0, 0.0),
            (0.0, NOSE_HEIGHT * h, NOSE_DEPTH * e),
            (-e * 0.41, h, 0.0),
            (e * 0.41, h, 0.0),
        ];
        let [(sy, cy), (sp, cp), (sr, cr)] = [yaw, pitch, roll].map(|a: f32| a.to_radians().sin_cos());
        model.map(|(x, y, z): (f32, f32, f32)| {
            // Pitch, then yaw, then roll.
            let (y, z) = (y * cp + z * sp, z * cp - y * sp);
            let x = x * cy + z * sy;
            Point { x: 300.0 + x * cr - y * sr, y: 200.0 + x * sr + y * cr }
        })
    }

    #[test]
    fn the_template_of_aligned_faces_looks_straight_ahead() {
        let pose = Pose::of(&TEMPLATE_IN_CROP);
        assert!(pose.turn_degrees() < 2.0, "{pose:?}");
    }

    #[test]
    fn yaw_and_pitch_are_measured_whatever_the_roll() {
        for roll in [-30.0, 0.0, 20.0] {
            for angle in [-50.0, -25.0, 10.0, 40.0] {
                let turned = Pose::of(&head(angle, 0.0, roll));
                assert!((turned.yaw_degrees - angle).abs() < 1.0 && turned.pitch_degrees.abs() < 1.0, "{turned:?}");
                let nodding = Pose::of(&head(0.0, angle, roll));
                assert!((nodding.pitch_degrees - angle).abs() < 1.0 && nodding.yaw_degrees.abs() < 1.0, "{nodding:?}");
            }
        }
        let both = Pose::of(&head(25.0, 15.0, 0.0));
        assert!((both.yaw_degrees - 25.0).abs() < 6.0 && (both.pitch_degrees - 15.0).abs() < 6.0, "{both:?}");
    }

    #[test]
    fn landmarks_that_are_no_face_count_as_turned_away() {
        let nowhere = [Point { x: 1.0, y: 1.0 }; 5];
        assert!(Pose::of(&nowhere).turn_degrees() >= 90.0);
        let upside_down = TEMPLATE_IN_CROP.map(|p| Point { x: p.x, y: if p.y > 60.0 { -p.y } else { p.y } });
        assert!(Pose::of(&upside_down).turn_degrees() >= 90.0);
    }
}
