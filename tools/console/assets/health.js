// The state of each camera, with the reason and since when.

import { byId, el, setText } from "./dom.js";
import { moment, number, t } from "./i18n.js";
import { stateOf, title } from "./store.js";

const MOODS = { live: "good", connecting: "wait", unheard: "wait", ended: "wait", waiting: "wait" };

export function paintChip(chip, state) {
  chip.className = `chip ${MOODS[state] ?? "bad"}`;
  setText(chip, t(`state.${state}`));
}

// What the node says of it, or else what the state means.
export function whyNot(camera) {
  return camera.health?.event.reason ?? t(`state.${stateOf(camera)}.hint`);
}

export function buildCameras(store) {
  byId("cameras").replaceChildren(...[...store.cameras.values()].map(row));
}

export function updateCamera(camera) {
  document.querySelector(`[data-camera-row="${CSS.escape(camera.id)}"]`)?.replaceWith(row(camera));
}

function row(camera) {
  const health = camera.health?.event;
  const state = stateOf(camera);
  const chip = el("span", { "data-testid": `camera-${camera.id}-state`, "data-state": state });
  paintChip(chip, state);
  const why = whyNot(camera);
  return el("tr", { "data-camera-row": camera.id },
    el("th", { scope: "row" }, title(camera), el("small", {}, t(`role.${camera.role}`))),
    el("td", {}, chip, why ? el("span", { class: "hint", "data-testid": `camera-${camera.id}-reason` }, why) : null,
      health?.key_frames_only ? el("span", { class: "hint", "data-testid": `camera-${camera.id}-key-frames-only` }, t("health.key_frames_only")) : null,
      subStream(camera.id, health?.sub_stream), cameraClock(camera.id, health?.clock_offset)),
    el("td", { class: "plain" }, health ? moment(new Date(health.since)) : ""),
    el("td", { class: "plain" }, health?.stream ? video(health.stream) : ""),
    el("td", { class: "plain" }, health ? `${number(health.fps_decoded, 1)} (${number(health.fps_analysed + health.fps_unchanged, 1)})` : ""),
    el("td", { class: "plain", "data-testid": `tally-${camera.id}` }, camera.tally ? tally(camera.tally.event) : ""));
}

// Of a gate's smaller stream only what is wrong with it.
function subStream(camera, stream) {
  if (!stream || stream.state === "live") return null;
  const why = stream.reason ? ` (${stream.reason})` : "";
  return el("span", { class: "hint", "data-testid": `camera-${camera}-sub-stream` },
    t("health.sub_stream", { state: t(`state.${stream.state}`) }) + why);
}

// A difference of a second or more: a smaller one may be the time that frames are under way.
function cameraClock(camera, offset) {
  if (!offset || Math.abs(offset.ms) < 1000) return null;
  const off = { seconds: number(Math.abs(offset.ms) / 1000, 1) };
  return el("span", { class: "hint", "data-testid": `camera-${camera}-clock` },
    offset.ms > 0 ? t("health.clock_ahead", off) : t("health.clock_behind", off));
}

function video({ codec, decoder, width, height }) {
  const name = { h264: "H.264", h265: "H.265" }[codec] ?? codec;
  const by = { vaapi: "VA-API", nvdec: "NVDEC" }[decoder];
  return `${name} ${width} × ${height}${by ? ` (${by})` : ""}`;
}

function tally(minute) {
  const admitted = minute.admitted_by_face + minute.admitted_by_qr + minute.admitted_by_both;
  const counts = t("health.tally", { admitted: number(admitted), referred: number(minute.referred) });
  return minute.present == null ? counts : `${counts}, ${t("health.present", { present: number(minute.present) })}`;
}
