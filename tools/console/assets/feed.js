// The feed of gate decisions. Who came is not known here: an entry says what was decided, why and how.

import { byId, el, icon } from "./dom.js";
import { moment, number, t } from "./i18n.js";
import { title } from "./store.js";

export function buildFeed(store) {
  byId("entries").replaceChildren(...store.entries.map((entry) => line(store, entry)));
  count(store);
}

export function addToFeed(store) {
  const list = byId("entries");
  const newest = line(store, store.entries[0]);
  newest.classList.add("new");
  list.prepend(newest);
  while (list.children.length > store.entries.length) list.lastElementChild.remove();
  count(store);
}

function count(store) {
  byId("feed-empty").hidden = store.entries.length > 0;
  byId("feed-kept").textContent = store.entries.length > 0 ? t("feed.kept", { count: store.entries.length }) : "";
}

function line(store, { key, event }) {
  const gate = store.cameras.get(event.gate);
  const stages = Object.entries(event.latency_ms);
  const total = stages.reduce((sum, [, ms]) => sum + ms, 0);
  const inWords = t("feed.stages", Object.fromEntries(stages.map(([stage, ms]) => [stage, number(ms)])));
  const at = new Date(event.capture_time.at);
  return el("li", { class: `entry ${event.decision}`, "data-testid": "entry", "data-decision": event.decision },
    el("time", { datetime: event.capture_time.at, title: `${key} #${event.sequence}` }, moment(at)),
    icon(event.decision),
    el("div", {},
      el("b", {}, t(`decision.${event.decision}`)),
      el("span", { class: "gate" }, gate ? title(gate) : event.gate),
      el("div", { class: "why" }, t(`reason.${event.reason}`))),
    el("div", { class: "how", title: inWords }, t(`method.${event.method}`), el("span", {}, `${number(total)} ms`)));
}
