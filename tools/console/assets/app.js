// Puts the page together: events come in by stream.js, are kept in store.js, and are shown by the panels.

import { byId, setText } from "./dom.js";
import { buildFeed, addToFeed } from "./feed.js";
import { buildCameras, updateCamera } from "./health.js";
import { buildTiles, speakCounts, updateAge, updateSum, updateTile } from "./crowd.js";
import { updateLoad } from "./load.js";
import { clockTime, loadWords, moment, remember, speak, t } from "./i18n.js";
import { Stage } from "./stage.js";
import { Store } from "./store.js";
import { listen } from "./stream.js";

await loadWords();
const store = new Store();
const stage = new Stage(store);
// `null` until the first answer; then whether the line is up, and when something last came over it.
const line = { up: null, heard: null };

function paintLine() {
  const link = byId("link");
  const word = line.up === null ? "starting" : line.up ? "up" : "down";
  link.className = `link ${word}`;
  setText(link, t(`link.${word}`));
  document.body.classList.toggle("lost", line.up === false && store.site !== null);
  byId("banner").hidden = line.up !== false;
  if (line.up === false) {
    setText(byId("banner-text"), store.site ? t("banner.lost", { time: moment(line.heard) }) : t("banner.never"));
  }
}

function paintSite() {
  if (store.site === null) {
    document.title = t("title");
    return;
  }
  const { site, area, node, version } = store.site;
  document.title = `${site} – ${t("title")}`;
  setText(byId("site"), site);
  setText(byId("area"), area.split("/").join(" › "));
  setText(byId("node"), t("node", { node, version }));
}

function paintAll() {
  paintSite();
  paintLine();
  buildTiles(store, (id) => stage.show(id));
  buildFeed(store);
  buildCameras(store);
  updateLoad(store);
}

function tick() {
  setText(byId("clock"), clockTime(new Date()));
  store.crowdCameras().forEach(updateAge);
  stage.update();
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    remember(button.dataset.language);
    speak(button.dataset.language);
    paintAll();
    stage.translate();
    tick();
  });
}

paintSite();
paintLine();
tick();
setInterval(tick, 1000);
listen({
  snapshot(all) {
    store.restart(all);
    paintAll();
    stage.build();
  },
  event(kind, message) {
    const id = store.take(kind, message);
    if (kind === "rollup") updateSum(store);
    if (kind === "load") updateLoad(store);
    if (id === null) return;
    const camera = store.cameras.get(id);
    if (kind === "entry") addToFeed(store);
    else if (kind === "health" || kind === "tally") updateCamera(camera);
    else if (kind === "density") {
      updateTile(camera);
      speakCounts(store);
    }
    if (id === stage.shown) stage.update();
  },
  link(up, heard) {
    line.up = up;
    line.heard = heard;
    paintLine();
  },
});
