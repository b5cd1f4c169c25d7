// A tile for each crowd camera: how many people, and how full each zone is.

import { byId, el, icon, setText } from "./dom.js";
import { moment, number, t } from "./i18n.js";
import { isOld, title } from "./store.js";

// Interval at which a screen reader announces new counts; they change several times a second.
const SPOKEN_EVERY_MS = 10000;
let spokenAt = -SPOKEN_EVERY_MS;

export function buildTiles(store, show) {
  byId("tiles").replaceChildren(...store.crowdCameras().map((camera) => {
    const name = title(camera);
    const choose = el("button", { type: "button", onclick: () => show(camera.id) }, name);
    choose.setAttribute("aria-label", t("crowd.show", { camera: name }));
    return el("article", { class: "tile", "data-tile": camera.id, "data-testid": `tile-${camera.id}` },
      el("div", { class: "tile-head" }, el("h3", {}, choose)),
      el("p", { class: "total" },
        el("b", { "data-testid": `count-${camera.id}` }, "–"),
        el("span", { class: "between", title: t("crowd.between"), "data-testid": `between-${camera.id}` }, ""),
        el("span", {}, t("crowd.people")),
        el("em", { class: "old-mark", "data-testid": `old-${camera.id}`, hidden: true }, t("crowd.old"))),
      el("p", { class: "note", hidden: true }, icon("warning"), el("span", {})),
      camera.zones.length > 0 ? table(camera) : el("p", { class: "quiet" }, t("crowd.no_zones")),
      el("p", { class: "tile-foot" }, t("crowd.unheard")));
  }));
  store.crowdCameras().forEach(updateTile);
  updateSum(store);
}

// All cameras together, where there are several; with those that can't count, or the sum would look complete.
export function updateSum(store) {
  const sum = store.rollup?.event;
  const line = byId("sum");
  line.hidden = sum === undefined || store.crowdCameras().length < 2;
  if (line.hidden) return;
  const { count, counted, cameras, interval } = sum;
  const between = interval && interval.low < interval.high ? ` (${number(interval.low)}–${number(interval.high)})` : "";
  setText(byId("sum-count"), t("sum", { count: number(count) + between, counted, cameras }));
  const named = (id) => title(store.cameras.get(id) ?? { id });
  const blind = (sum.blind ?? []).map(({ camera, reason, since }) =>
    t(`blind.${reason}`, { camera: named(camera), time: moment(new Date(since)) }));
  byId("sum-blind").hidden = blind.length === 0;
  setText(byId("sum-blind").lastElementChild, blind.join(" "));
}

function table(camera) {
  const row = (zone) => el("tr", { "data-zone": zone.id },
    el("th", { scope: "row" }, title(zone)),
    el("td", { class: "number", "data-testid": `count-${camera.id}-${zone.id}` }, "–"),
    el("td", { class: "number small per-m2" }, ""),
    el("td", {}, el("span", { class: "level", "data-testid": `level-${camera.id}-${zone.id}` },
      el("span", { class: "steps", "aria-hidden": "true" }, el("i"), el("i"), el("i"), el("i")),
      el("span", { class: "word" }))));
  const heads = ["zone", "count", "per_m2", "level"].map((column) =>
    el("th", { scope: "col", class: column === "count" || column === "per_m2" ? "number" : "" }, t(`crowd.${column}`)));
  return el("table", {},
    el("thead", {}, el("tr", {}, ...heads)),
    el("tbody", {}, ...camera.zones.map(row)));
}

export function updateTile(camera) {
  const tile = document.querySelector(`[data-tile="${CSS.escape(camera.id)}"]`);
  const density = camera.density?.event;
  if (!tile || !density) return;
  const assessment = density.self_assessment;
  // A count that the model itself doesn't stand by isn't shown as one.
  const shown = (count) => {
    if (assessment === "no_picture") return "–";
    return assessment === "out_of_range" ? `~ ${number(count)}` : number(count);
  };
  const between = ({ interval }) => interval && interval.low < interval.high
    ? `${number(interval.low)}–${number(interval.high)}`
    : "";
  setText(tile.querySelector(".total b"), shown(density.count));
  setText(tile.querySelector(".between"), between(density));
  const note = tile.querySelector(".note");
  note.hidden = assessment === "in_range";
  setText(note.lastElementChild, note.hidden ? "" : t(`crowd.${assessment}`));
  const measured = density.zones.some((zone) => zone.people_per_m2 !== undefined);
  for (const cell of tile.querySelectorAll(".per-m2, thead th:nth-child(3)")) cell.hidden = !measured;
  const levelled = camera.zones.some((zone) => zone.has_levels);
  for (const cell of tile.querySelectorAll("tr > :nth-child(4)")) cell.hidden = !levelled;
  for (const zone of density.zones) {
    const row = tile.querySelector(`[data-zone="${CSS.escape(zone.zone)}"]`);
    if (!row) continue;
    setText(row.querySelector(".number"), shown(zone.count));
    row.querySelector(".number").title = between(zone);
    setText(row.querySelector(".per-m2"), zone.people_per_m2 === undefined ? "" : number(zone.people_per_m2, 2));
    row.querySelector(".level").className = `level ${zone.level ?? "none"}`;
    const level = t(`level.${zone.level ?? "none"}`);
    setText(row.querySelector(".word"), zone.surge ? `${level} · ${t("crowd.surge")}` : level);
  }
  const captured = {
    time: moment(new Date(density.capture_time.at)),
    error: number(density.capture_time.error_ms / 1000, 1),
  };
  const words = [t("crowd.captured", captured), t("crowd.model", { model: density.model })];
  for (const line of density.lines ?? []) {
    words.unshift(t("crowd.line", { line: line.line, in: number(line.in), out: number(line.out) }));
  }
  setText(tile.querySelector(".tile-foot"), words.join(" · "));
  updateAge(camera);
}

export function updateAge(camera) {
  const tile = document.querySelector(`[data-tile="${CSS.escape(camera.id)}"]`);
  if (!tile) return;
  const old = isOld(camera);
  tile.classList.toggle("old", old);
  tile.querySelector(".old-mark").hidden = !old;
}

// Tells a screen reader the counts, now and then. A page that is out of date says nothing here: its banner does.
export function speakCounts(store) {
  const now = performance.now();
  if (now - spokenAt < SPOKEN_EVERY_MS) return;
  const sentences = store.crowdCameras().filter((camera) => camera.density && !isOld(camera)).map((camera) => {
    const density = camera.density.event;
    const zones = density.zones.filter((zone) => zone.level).map((zone) => {
      const named = camera.zones.find((candidate) => candidate.id === zone.zone);
      const values = { zone: named ? title(named) : zone.zone, count: number(zone.count), level: t(`level.${zone.level}`) };
      return t("announce.zone", values);
    });
    return [t("announce.total", { camera: title(camera), count: number(density.count) }), ...zones].join("; ");
  });
  if (sentences.length === 0) return;
  spokenAt = now;
  setText(byId("spoken"), sentences.join(". "));
}
