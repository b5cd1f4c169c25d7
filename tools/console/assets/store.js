// What the page knows: the last word of every camera, and how long ago it was heard.

// A count older than this says nothing about now.
const OLD_AFTER_MS = 10000;
const ENTRIES_KEPT = 50;

export class Store {
  site = null;
  cameras = new Map();
  entries = [];
  // The crowd cameras summed up: {key, event}, or null.
  rollup = null;
  // How busy the node is: {key, event}, or null.
  load = null;

  // Starts over from a snapshot. What it holds may be old already: its own time says how old.
  restart(snapshot) {
    this.site = snapshot.site;
    this.entries = snapshot.entries;
    this.rollup = snapshot.rollup;
    this.load = snapshot.load;
    this.cameras = new Map(snapshot.cameras.map((camera) => {
      const age = camera.density ? Date.now() - Date.parse(camera.density.event.capture_time.at) : 0;
      return [camera.id, { ...camera, countedAt: performance.now() - Math.max(0, age) }];
    }));
  }

  // Takes an event in, and returns its camera's id, or null if it has none or that isn't known.
  take(kind, message) {
    if (kind === "rollup" || kind === "load") {
      this[kind] = message;
      return null;
    }
    const id = message.event.camera ?? message.event.gate;
    const camera = this.cameras.get(id);
    if (camera === undefined) return null;
    if (kind === "entry") {
      this.entries = [message, ...this.entries].slice(0, ENTRIES_KEPT);
    } else {
      camera[kind] = message;
      // Age is counted from when it was heard: a camera's clock may be seconds off ours.
      if (kind === "density") camera.countedAt = performance.now();
    }
    return id;
  }

  crowdCameras() {
    return [...this.cameras.values()].filter((camera) => camera.role === "crowd");
  }
}

export function title(cameraOrZone) {
  return cameraOrZone.name ?? cameraOrZone.id;
}

export function isOld(camera) {
  return camera.density !== null && performance.now() - camera.countedAt > OLD_AFTER_MS;
}

// Nobody has said anything of the camera yet: `unheard`.
export function stateOf(camera) {
  return camera.health?.event.state ?? "unheard";
}
