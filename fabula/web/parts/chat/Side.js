// What stands at the right of the chat: one of several pages, each fetched when it is first opened. Knows no page's inside.
// @ts-check
import { closeSide, side } from "../../state/sides.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { IconButton } from "../Icon.js";
import { later } from "../later.js";

const PAGES = /** @type {Record<string, any>} */ ({
  context: later(() => import("./Context.js"), "Context"),
  replies: later(() => import("./ReplySets.js"), "ReplySets", ["memory.css", "replies.css"]),
  memory: later(() => import("./Memory.js"), "Memory", "memory.css"),
  map: later(() => import("./TreeMap.js"), "TreeMap", "tree.css"),
});

export function Side() {
  const name = side.value;
  const Page = PAGES[name];
  if (!Page) return null;
  const title = t(`web.side.${name}`);
  return html`<aside class=${`panel side side-${name}`} aria-label=${title}>
    <div class="panel-head"><h2>${title}</h2><${IconButton} icon="close" label=${t("web.close")} onClick=${closeSide} /></div>
    <${Page} />
  </aside>`;
}
