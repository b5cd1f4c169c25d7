// The stage: one crowd camera's live picture at a time, so that the node renders no more than is looked at.

import { byId, el, setText } from "./dom.js";
import { t } from "./i18n.js";
import { paintChip, whyNot } from "./health.js";
import { draw, scaleOf } from "./overlay.js";
import { isOld, stateOf, title } from "./store.js";

const RETRY_MS = 2000;

export class Stage {
  constructor(store) {
    this.store = store;
    this.shown = null;
    this.options = { zones: true, density: true };
    this.picture = byId("picture");
    this.retry = null;
    this.picture.addEventListener("load", () => this.fit());
    this.picture.addEventListener("error", () => this.again());
    new ResizeObserver(() => this.redraw()).observe(byId("overlay"));
    for (const option of Object.keys(this.options)) {
      const button = byId(`switch-${option}`);
      button.addEventListener("click", () => {
        this.options[option] = !this.options[option];
        button.setAttribute("aria-pressed", String(this.options[option]));
        this.update();
      });
    }
  }

  // After a snapshot: keeps the camera that was shown, and opens its picture anew.
  build() {
    const cameras = this.store.crowdCameras();
    if (!cameras.some((camera) => camera.id === this.shown)) this.shown = cameras[0]?.id ?? null;
    this.show(this.shown);
  }

  show(id) {
    this.shown = id;
    this.translate();
    this.open();
  }

  // Rewrites what has words in it.
  translate() {
    const cameras = this.store.crowdCameras();
    byId("stage-tabs").replaceChildren(...cameras.map((camera) => el("button", {
      type: "button",
      class: "tab",
      "aria-pressed": String(camera.id === this.shown),
      "data-testid": `show-${camera.id}`,
      onclick: () => this.show(camera.id),
    }, title(camera))));
    const camera = this.camera();
    this.picture.alt = camera ? t("stage.alt", { camera: title(camera) }) : "";
    this.update();
  }

  camera() {
    return this.store.cameras.get(this.shown);
  }

  open() {
    clearTimeout(this.retry);
    this.loaded = false;
    const camera = this.camera();
    if (camera?.preview) {
      // A new address each time: a picture that has ended isn't asked for again otherwise.
      this.picture.src = `/api/camera/${encodeURIComponent(camera.id)}/preview.mjpeg?opened=${Date.now()}`;
    } else {
      this.picture.removeAttribute("src");
    }
    this.update();
  }

  // The picture failed or ended: asks again, unless the line itself is down (its return opens it).
  again() {
    clearTimeout(this.retry);
    if (this.picture.hasAttribute("src")) this.retry = setTimeout(() => this.open(), RETRY_MS);
  }

  fit() {
    this.loaded = true;
    const { naturalWidth, naturalHeight } = this.picture;
    if (naturalWidth > 0) byId("frame").style.setProperty("--ratio", String(naturalWidth / naturalHeight));
    this.update();
  }

  update() {
    const camera = this.camera();
    const chip = byId("stage-state");
    chip.hidden = !camera;
    if (camera) paintChip(chip, stateOf(camera));
    const words = this.veil(camera);
    setText(byId("veil"), words ?? "");
    byId("veil").hidden = words === null;
    const doubtful = camera && ((stateOf(camera) !== "live" && stateOf(camera) !== "unheard") || isOld(camera));
    byId("frame").classList.toggle("old", Boolean(doubtful));
    byId("legend").hidden = !camera?.map || !this.options.density;
    if (camera?.map) setText(byId("legend-full"), t("stage.legend", { people: scaleOf(camera.map.event) }));
    this.redraw();
  }

  // What there is to say over the picture, or null while it can be trusted.
  veil(camera) {
    if (!camera) return t("stage.none");
    if (!camera.preview) return t("stage.no_preview");
    const state = stateOf(camera);
    if (state !== "live" && state !== "unheard") return `${t(`state.${state}`)}\n${whyNot(camera)}`;
    if (!this.loaded) return t("stage.waiting");
    return isOld(camera) ? t("crowd.old") : null;
  }

  redraw() {
    draw(byId("overlay"), this.camera(), this.options);
  }
}
