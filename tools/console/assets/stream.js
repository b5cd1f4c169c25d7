// The line to the node: server-sent events, a watchdog on them, and reconnecting.

const RETRY_MS = 2000;
// The node says something at least every 5 s.
const SILENT_AFTER_MS = 12000;
const KINDS = ["entry", "tally", "density", "map", "rollup", "load", "health"];

// Calls `snapshot` with all that is known, at each new start; `event` with (kind, {key, event}); `link` with whether the
// line is up and when it was last heard, whenever that changes.
export function listen({ snapshot, event, link }) {
  let source = null;
  let heardAt = performance.now();
  let heardTime = null;
  let up = null;
  let retry = null;

  function set(now) {
    if (up !== now) {
      up = now;
      link(now, heardTime);
    }
  }

  function open() {
    retry = null;
    heardAt = performance.now();
    source = new EventSource("/api/events");
    source.addEventListener("snapshot", (message) => {
      heard();
      snapshot(JSON.parse(message.data));
      set(true);
    });
    source.addEventListener("alive", heard);
    for (const kind of KINDS) {
      source.addEventListener(kind, (message) => {
        heard();
        event(kind, JSON.parse(message.data));
      });
    }
    source.addEventListener("error", lose);
  }

  function heard() {
    heardAt = performance.now();
    heardTime = new Date();
  }

  function lose() {
    source.close();
    set(false);
    retry ??= setTimeout(open, RETRY_MS);
  }

  setInterval(() => {
    if (retry === null && performance.now() - heardAt > SILENT_AFTER_MS) lose();
  }, 1000);
  open();
}
