"""Renders triangles off screen with OpenGL: EGL on a GPU, or Mesa's llvmpipe on a CPU.

Units are metres; y is up. One pass renders shadows from the sun, one renders colours and ids.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import moderngl
import numpy as np

from .geometry import Camera

_DEPTH_VERTEX = """
#version 330
uniform mat4 view;
in vec3 point; in vec4 place; in vec4 tint;
invariant gl_Position;
void main() {
    float c = cos(place.w), s = sin(place.w);
    mat3 turn = mat3(c, 0, -s, 0, 1, 0, s, 0, c);
    vec3 at = tint.w * (turn * point) + place.xyz;
    gl_Position = view * vec4(at, 1);
}
"""
_DEPTH_FRAGMENT = """
#version 330
void main() {}
"""
_VERTEX = """
#version 330
uniform mat4 view;
in vec3 point; in vec3 normal; in vec3 colour; in vec3 face_at; in float part;
in vec4 place;   // x, y, z, yaw
in vec4 tint;    // colour factors, size
in vec3 top; in vec3 bottom;
in float number;
out vec3 at; out vec3 across; out vec3 paint; out vec3 on_face; out vec3 own; flat out int who;
invariant gl_Position;
void main() {
    float c = cos(place.w), s = sin(place.w);
    mat3 turn = mat3(c, 0, -s, 0, 1, 0, s, 0, c);
    at = tint.w * (turn * point) + place.xyz;
    across = turn * normal;
    paint = colour * tint.rgb * (part > 2.5 ? bottom : part > 1.5 ? top : vec3(1)); on_face = face_at; own = point;
    who = int(number) * 2 + int(part > 0.5 && part < 1.5);
    gl_Position = view * vec4(at, 1);
}
"""
_FRAGMENT = """
#version 330
uniform sampler2D shadows; uniform sampler2D tile;
uniform mat4 sun; uniform vec3 to_sun; uniform vec3 sun_colour; uniform vec3 sky; uniform vec3 earth; uniform vec3 eye;
uniform vec4 haze; uniform float crowded; uniform vec4 tile_place;
in vec3 at; in vec3 across; in vec3 paint; in vec3 on_face; in vec3 own; flat in int who;
layout(location = 0) out vec4 colour;
layout(location = 1) out int id;

float lit(vec3 p, float slope) {
    vec4 q = sun * vec4(p, 1);
    vec3 s = q.xyz / q.w * 0.5 + 0.5;
    if (any(lessThan(s, vec3(0))) || any(greaterThan(s, vec3(1)))) return 1.0;
    float sum = 0.0; vec2 texel = 1.0 / vec2(textureSize(shadows, 0));
    for (int i = 0; i < 4; i++) {
        vec2 o = vec2(i & 1, i >> 1) - 0.5;
        sum += texture(shadows, s.xy + o * texel * 1.5).r + 0.0015 + 0.003 * slope > s.z ? 0.25 : 0.0;
    }
    return sum;
}
float spot(vec2 p, vec2 c, vec2 r) { return smoothstep(1.2, 0.7, length((p - c) / r)); }

void main() {
    vec3 base = paint; vec3 n = normalize(across);
    mat2 on_tile = mat2(tile_place.x, tile_place.y, -tile_place.y, tile_place.x);
    if (who < 0) base *= texture(tile, on_tile * at.xz + tile_place.zw).bgr;
    if (on_face.z < 5.0 && on_face.z > 0.02) {
        vec2 f = vec2(abs(on_face.x), on_face.y);
        base *= 1.0 - 0.45 * spot(f, vec2(0.155, 0.045), vec2(0.11, 0.075));
        base *= 1.0 - 0.75 * spot(f, vec2(0.155, 0.035), vec2(0.06, 0.026));
        base *= 1.0 - 0.65 * spot(f, vec2(0.16, 0.115), vec2(0.095, 0.02));
        base = mix(base, base * vec3(0.62, 0.55, 0.9), spot(f, vec2(0.0, -0.27), vec2(0.12, 0.035)));
        base *= 1.0 - 0.3 * spot(f, vec2(0.03, -0.13), vec2(0.06, 0.025));
    }
    float facing = max(0.0, dot(n, to_sun));
    float sunlight = facing > 0.0 ? facing * lit(at + 0.02 * n, 1.0 - facing) : 0.0;
    // In a crowd, people hide most of the sky near the ground.
    float open = mix(1.0, smoothstep(-0.3, 1.55, own.y), crowded * (who < 0 ? 0.0 : 1.0));
    vec3 ambient = mix(earth, sky, 0.5 + 0.5 * n.y) * open;
    vec3 c = base * (ambient + sun_colour * sunlight);
    float away = length(at - eye);
    c = mix(c, haze.rgb, 1.0 - exp(-away / haze.w));
    colour = vec4(c, 1.0); id = who;
}
"""


@dataclass(frozen=True)
class Light:
    """Light of a scene. Colours are linear BGR.

    to_sun: unit vector; haze_m: metres to 63 % haze; crowded: share of the sky that people hide,
    0..1.
    """

    to_sun: np.ndarray
    sun: np.ndarray
    sky: np.ndarray
    earth: np.ndarray
    haze: np.ndarray
    haze_m: float
    crowded: float


@dataclass(frozen=True)
class Model:
    """Triangles in the device's memory."""

    points: moderngl.Buffer
    faces: moderngl.Buffer
    count: int


class Painter:
    """Draws instances of models. Only the models persist between pictures."""

    def __init__(self, shadow_px: int = 2048) -> None:
        self.gl = moderngl.create_context(standalone=True, backend="egl")
        self.program = self.gl.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        self.depth_program = self.gl.program(vertex_shader=_DEPTH_VERTEX, fragment_shader=_DEPTH_FRAGMENT)
        self.shadows = self.gl.depth_texture((shadow_px, shadow_px))
        self.shadows.compare_func = ""
        self.shadow_frame = self.gl.framebuffer(depth_attachment=self.shadows)
        self.frames: dict[tuple[int, int], moderngl.Framebuffer] = {}

    def model(self, points, normals, colours, faces, face_at=None, role=None) -> Model:
        """Uploads a model. Arrays are as in `wardrobe.Person`."""
        n = len(points)
        face_at = np.full((n, 3), 9.0, np.float32) if face_at is None else face_at
        role = np.zeros(n) if role is None else role
        table = np.column_stack([points, normals, colours, face_at, role.astype(np.float32)]).astype("f4")
        return Model(self.gl.buffer(table.tobytes()), self.gl.buffer(faces.astype("i4").tobytes()), faces.size)

    def draw(
        self,
        size,
        camera: Camera,
        light: Light,
        instances,
        tile: np.ndarray,
        tile_m: float,
        tile_turn: float,
        reach_m: float,
    ):
        """Draws one picture.

        size: (width, height); instances: list of (model, simpler model for the shadow, rows). rows:
        float32 [n, 15]: x, y, z, yaw, three colour factors, size, number, and the colours of top
        and bottom (linear BGR). A negative number marks no person, with the tile's texture. tile:
        uint8 [h, w, 3], tile_m wide, rotated by tile_turn; reach_m: range of shadows around the
        camera. Returns linear BGR float32 [h, w, 3], alpha float32 [h, w], and ids int32 [h, w]:
        twice the number, plus 1 on heads.
        """
        sun = _sun_matrix(light.to_sun, camera, reach_m)
        tile_texture = self.gl.texture(
            (tile.shape[1], tile.shape[0]), 3, (_linear(tile) * 255).astype(np.uint8).tobytes()
        )
        tile_texture.build_mipmaps()
        tile_texture.filter = moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR
        arrays = [
            (m, plain, self.gl.buffer(rows.astype("f4").tobytes()), len(rows))
            for m, plain, rows in instances
            if len(rows)
        ]
        self.gl.enable(moderngl.DEPTH_TEST)
        kept = []

        def draw_depth(view: np.ndarray, plain: bool) -> None:
            """Draws only into the depth buffer."""
            self.depth_program["view"].write(np.ascontiguousarray(view.T, dtype="f4").tobytes())
            for fine, simple, rows, count in arrays:
                model = simple if plain else fine
                layout = [(model.points, "3f 40x", "point"), (rows, "4f 4f 28x/i", "place", "tint")]
                kept.append(self.gl.vertex_array(self.depth_program, layout, model.faces))
                kept[-1].render(instances=count)

        self.gl.depth_func = "<"
        self.shadow_frame.use()
        self.shadow_frame.clear(depth=1.0)
        draw_depth(sun, True)
        frame = self._frame(size)
        frame.use()
        frame.clear(0, 0, 0, 0, 1.0)
        # Draw depth first: in a crowd, most fragments are hidden and need no shading.
        frame.color_mask = ((False,) * 4, (False,) * 4)
        draw_depth(view_matrix(camera, size), False)
        frame.color_mask = ((True,) * 4, (True,) * 4)
        self.gl.depth_func = "<="
        for name, value in (
            ("view", view_matrix(camera, size).T),
            ("sun", sun.T),
            ("to_sun", light.to_sun),
            ("sun_colour", light.sun),
            ("sky", light.sky),
            ("earth", light.earth),
            ("eye", np.array([0.0, camera.height_m, 0.0])),
            (
                "tile_place",
                np.array([np.cos(tile_turn) / tile_m, np.sin(tile_turn) / tile_m, tile_turn, tile_turn * 0.7]),
            ),
            ("haze", np.append(light.haze, light.haze_m)),
        ):
            self.program[name].write(np.ascontiguousarray(value, dtype="f4").tobytes())
        self.program["crowded"].value = light.crowded
        self.program["shadows"].value = 0
        self.program["tile"].value = 1
        self.shadows.use(0)
        tile_texture.use(1)
        for model, _, rows, count in arrays:
            layout = [
                (model.points, "3f 3f 3f 3f 1f", "point", "normal", "colour", "face_at", "part"),
                (rows, "4f 4f 1f 3f 3f/i", "place", "tint", "number", "top", "bottom"),
            ]
            kept.append(self.gl.vertex_array(self.program, layout, model.faces))
            kept[-1].render(instances=count)
        width, height = size
        colour = np.frombuffer(frame.read(components=4, attachment=0, dtype="f2"), np.float16).reshape(height, width, 4)
        who = np.frombuffer(frame.read(components=1, attachment=1, dtype="i4"), np.int32).reshape(height, width)
        colour, who = colour[::-1].astype(np.float32), who[::-1].copy()
        who[colour[..., 3] < 0.5] = 0
        for thing in (*kept, *(rows for _, _, rows, _ in arrays), tile_texture):
            thing.release()
        return colour[..., :3], colour[..., 3], who

    def _frame(self, size: tuple[int, int]) -> moderngl.Framebuffer:
        if size not in self.frames:
            attachments = [self.gl.texture(size, 4, dtype="f2"), self.gl.texture(size, 1, dtype="i4")]
            self.frames[size] = self.gl.framebuffer(attachments, self.gl.depth_renderbuffer(size))
        return self.frames[size]


def _linear(bgr: np.ndarray) -> np.ndarray:
    """Converts 8-bit sRGB (approximately) to linear 0..1."""
    return (bgr.astype(np.float32) / 255) ** 2.2


def encode_srgb(linear: np.ndarray) -> np.ndarray:
    """Converts linear BGR to 8 bits, with the soft highlight roll-off of a camera."""
    soft = np.where(linear > 0.7, 0.7 + 0.3 * np.tanh((linear - 0.7) / 0.3 * 0.8), linear)
    return np.clip(np.clip(soft, 0, 1) ** (1 / 2.2) * 255, 0, 255).astype(np.uint8)


def view_matrix(camera: Camera, size: tuple[int, int], near: float = 0.2, far: float = 600.0) -> np.ndarray:
    """Returns the 4x4 matrix from world to clip coordinates of a pinhole camera in pixels."""
    width, height = size
    sin, cos = np.sin(camera.pitch), np.cos(camera.pitch)
    right, down, ahead = np.array([1.0, 0, 0]), np.array([0, -cos, -sin]), np.array([0, -sin, cos])
    eye = np.array([0.0, camera.height_m, 0.0])
    turn = np.stack([right, down, ahead])
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = turn, -turn @ eye
    f = camera.focal_px
    clip = np.zeros((4, 4))
    clip[0] = [2 * f / width, 0, 2 * camera.cx / width - 1, 0]
    clip[1] = [0, -2 * f / height, 1 - 2 * camera.cy / height, 0]
    clip[2] = [0, 0, (far + near) / (far - near), -2 * far * near / (far - near)]
    clip[3] = [0, 0, 1, 0]
    return clip @ world


def _sun_matrix(to_sun: np.ndarray, camera: Camera, reach_m: float) -> np.ndarray:
    """Returns the 4x4 matrix from world to clip coordinates of the sun, in front of the camera."""
    centre = np.array([0.0, 1.0, reach_m / 2])
    right = np.cross([0.0, 1.0, 0.0], to_sun)
    right /= np.linalg.norm(right) + 1e-9
    up = np.cross(to_sun, right)
    turn = np.stack([right, up, -to_sun])
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = turn, -turn @ centre
    radius = reach_m * 0.62 + 2
    return np.diag([1 / radius, 1 / radius, 1 / (radius + 15), 1]) @ world


def downsample(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrinks to (width, height); each pixel is the mean of the pixels that it covers."""
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
