// The entries of a lorebook as a list: found by words, walked and sorted by keys or by dragging, changed in numbers.
// Knows no field but what a line shows.
// @ts-check
import { useRef } from "preact/hooks";
import { add, chosen, copy, cut, entries, found, looked, mark, move, nameOf, sortBy, words } from "../../state/lorebook.js";
import { t } from "../../texts.js";
import { reveal, useWindow } from "../characters/useWindow.js";
import { html } from "../html.js";
import { Icon, Press } from "../Icon.js";
import { Tick } from "../Kept.js";
import { Menu } from "../Menu.js";

/** @import { Entry } from "../../types.d.ts" */

const ROW = 52; // px, as in the style sheet
const shape = () => ({ columns: 1, height: ROW });

/** @param {{open: () => void}} props */
export function EntryList({ open }) {
  const list = found.value;
  const view = useWindow(list.length, shape);
  const dragged = useRef("");
  const walk = (/** @type {number} */ place) => {
    const now = found.value; // as it is by now: what was moved has another place
    const at = Math.max(0, Math.min(place, now.length - 1));
    if (!now[at]) return;
    looked.value = String(now[at].uid);
    reveal(view.list.current, at, view);
    requestAnimationFrame(() => /** @type {HTMLElement | null} */ (view.list.current?.querySelector(`[data-uid="${CSS.escape(looked.value)}"] .lore-line`))?.focus({ preventScroll: true }));
  };
  const places = list.slice(view.first, view.last);
  return html`<section class="lore-list" aria-label=${t("web.lore.side_list")}>
    <div class="lore-list-tools">
      <label class="search"><${Icon} name="search" /><input type="search" class="field" aria-label=${t("web.lore.search")} placeholder=${t("web.lore.search")} value=${words.value} onInput=${(/** @type {any} */ event) => (words.value = event.target.value)} /></label>
      <${Press} class="button" onClick=${() => add().then(open)}><${Icon} name="plus" />${t("web.lore.add")}<//>
      <${Menu} label=${t("web.lore.sort")} items=${[{ label: t("web.lore.sort_name"), run: () => sortBy("comment") }, { label: t("web.lore.sort_order"), run: () => sortBy("order") }]}><${Icon} name="list" /><//>
    </div>
    ${chosen.value.size > 0 && html`<${Chosen} />`}
    <div class="lore-list-scroll" data-scrolls>
      <div ref=${view.list} style=${{ height: `${list.length * ROW}px` }} onKeyDown=${(/** @type {KeyboardEvent} */ event) => keyDown(event, list, walk)}>
        <ul class="lore-lines" style=${{ transform: `translateY(${view.first * ROW}px)` }} aria-label=${t("web.lore.side_list")}>
          ${places.map((entry, index) => html`<${Line} key=${entry.uid} entry=${entry} place=${view.first + index} count=${list.length} dragged=${dragged} open=${open} />`)}
        </ul>
      </div>
    </div>
    <p class="quiet lore-list-count" role="status">${t("web.lore.count", { count: list.length })}</p>
  </section>`;
}

/** @param {{entry: Entry, place: number, count: number, dragged: {current: string}, open: () => void}} props */
function Line({ entry, place, count, dragged, open }) {
  const uid = String(entry.uid);
  const name = nameOf(entry);
  const isLooked = looked.value === uid;
  const note = entry.constant ? t("web.lore.constant") : (entry.key ?? []).join(", ");
  const choose = () => {
    const next = new Set(chosen.value);
    if (!next.delete(uid)) next.add(uid);
    chosen.value = next;
  };
  const drop = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    if (dragged.current && dragged.current !== uid) move(dragged.current, entries.value.indexOf(entry));
    dragged.current = "";
  };
  return html`<li
    data-uid=${uid}
    class=${`${isLooked ? "is-looked" : ""} ${entry.disable ? "is-off" : ""}`}
    aria-posinset=${place + 1}
    aria-setsize=${count}
    draggable=${!words.value}
    onDragStart=${() => (dragged.current = uid)}
    onDragOver=${(/** @type {DragEvent} */ event) => dragged.current && event.preventDefault()}
    onDrop=${drop}
  >
    <input type="checkbox" tabindex=${isLooked ? 0 : -1} aria-label=${t("web.characters.choose", { name })} checked=${chosen.value.has(uid)} onChange=${choose} />
    <button type="button" class="lore-line" tabindex=${isLooked || (!looked.value && place === 0) ? 0 : -1} aria-current=${isLooked ? "true" : undefined} onClick=${() => ((looked.value = uid), open())}>
      <span>${name}</span><small class="quiet">${note}</small>
    </button>
    <${Tick} class="switch" role="switch" tabindex=${isLooked ? 0 : -1} aria-label=${t("web.lore.on_off", { name })} value=${!entry.disable} save=${(/** @type {boolean} */ on) => mark([uid], { disable: !on })} />
  </li>`;
}

function Chosen() {
  const uids = [...chosen.value];
  const put = (/** @type {Record<string, any>} */ fields) => mark(uids, fields);
  const items = [
    { label: t("web.lore.make_constant"), run: () => put({ constant: true }) },
    { label: t("web.lore.make_keyed"), run: () => put({ constant: false }) },
    { icon: "copy", label: t("web.lore.copy"), run: async () => { for (const entry of entries.value.filter((one) => chosen.value.has(String(one.uid)))) await copy(entry); } },
  ];
  return html`<div class="lore-chosen" role="toolbar" aria-label=${t("web.lore.chosen", { count: uids.length })}>
    <strong>${t("web.lore.chosen", { count: uids.length })}</strong>
    <button type="button" class="link-button" onClick=${() => put({ disable: false })}>${t("web.lore.turn_on")}</button>
    <button type="button" class="link-button" onClick=${() => put({ disable: true })}>${t("web.lore.turn_off")}</button>
    <button type="button" class="link-button" onClick=${() => cut(uids)}>${t("web.lore.delete")}</button>
    <button type="button" class="link-button" onClick=${() => (chosen.value = new Set())}>${t("web.characters.choose_none")}</button>
    <${Menu} label=${t("web.more")} items=${items}><${Icon} name="more" /><//>
  </div>`;
}

/** Arrows walk; with Alt they move the entry. @param {KeyboardEvent} event @param {Entry[]} list @param {(place: number) => void} walk */
function keyDown(event, list, walk) {
  const place = list.findIndex((entry) => String(entry.uid) === looked.value);
  const steps = /** @type {Record<string, number>} */ ({ ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: list.length - 1 });
  if (event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    if (!words.value) move(looked.value, entries.value.findIndex((entry) => String(entry.uid) === looked.value) + (event.key === "ArrowDown" ? 1 : -1)).then(() => walk(steps[event.key]));
  } else if (event.key in steps) walk(steps[event.key]);
  else if (event.key === "Delete" && looked.value) cut(chosen.value.size ? [...chosen.value] : [looked.value]);
  else return;
  event.preventDefault();
}
