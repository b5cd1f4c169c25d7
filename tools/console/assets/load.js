// How busy the node is, and what to do when it is full.

import { byId, setText } from "./dom.js";
import { moment, number, t } from "./i18n.js";

export function updateLoad(store) {
  const load = store.load?.event;
  byId("load").hidden = load === undefined;
  byId("load-full").hidden = !load?.full;
  if (load === undefined) return;
  const role = (name, frames) => frames && frames.frames > 0
    ? [t(`load.${name}`, { ms: number(frames.latency_ms.total.p99) })]
    : [];
  const words = [t("load.busy", { percent: number(100 * load.cpu_usage), processors: load.processors }),
    ...role("gates", load.gates), ...role("crowds", load.crowds)];
  if (load.clock_set) {
    const { by_ms, seen_at } = load.clock_set;
    words.push(t("load.clock_set", { seconds: number(by_ms / 1000, 1), time: moment(new Date(seen_at)) }));
  }
  setText(byId("load"), words.join(" · "));
  setText(byId("load-full").lastElementChild, load.full ? t("load.full") : "");
}
