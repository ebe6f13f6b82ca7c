// The tree of the open chat as a map: dots and lines, time downwards. Hover or walk to read, click to go, mark one and
// compare it with another. Knows the open chat.
// @ts-check
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import * as api from "../../api.js";
import { chat, goTo } from "../../state/chat.js";
import { theme } from "../../state/prefs.js";
import { closeSide } from "../../state/sides.js";
import { nameCheckpoint } from "../../state/tree.js";
import { busy } from "../../state/turn.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { nameOf } from "../Message.js";
import { Trouble } from "../Trouble.js";
import { useAnswer } from "../useAnswer.js";
import { comparing } from "./comparing.js";
import { draw, nodeAt, ROW, sizeOf, x, y } from "./drawing.js";
import { layOut, step } from "./layout.js";

/** @import { Message, Outline } from "../../types.d.ts" */
/** @import { Layout } from "./layout.js" */

const NAMES_PX = 150; // room for names of checkpoints
const WORDS = 320; // characters of the message that is looked at
const READ_AFTER_MS = 80; // who walks on reads nothing on the way

export function TreeMap() {
  const now = chat.value;
  const ask = /** @returns {Promise<{of: string, tree: Outline} | null>} */ async () => now && { of: now.id, tree: await api.get(`/chats/${now.id}/tree`) };
  const { told, failure, again } = useAnswer(ask, [now?.id, now?.revision]);
  const tree = told && told.of === now?.id ? told.tree : null;
  const layout = useMemo(() => tree && layOut(tree), [tree]);
  if (failure) return html`<${Trouble} error=${failure} retry=${again} />`;
  if (!now || !layout) return html`<p class="quiet">${t("web.loading")}</p>`;
  if (!layout.tree.ids.length) return html`<p class="quiet">${t("web.map.empty")}</p>`;
  return html`<${Map} key=${now.id} layout=${layout} />`;
}

/** @param {{layout: Layout}} props */
function Map({ layout }) {
  const { ids } = layout.tree;
  const [focusId, setFocusId] = useState(layout.tree.head_id);
  const [markedId, setMarkedId] = useState("");
  const at = (/** @type {string} */ id) => ids.indexOf(id);
  const focus = Math.max(at(focusId), 0);
  const look = (/** @type {number} */ node) => node >= 0 && setFocusId(ids[node]);
  return html`<div class="map">
    <p class="quiet map-about">${t("web.map.about", { messages: ids.length, lines: layout.lines.length })}</p>
    <${Checkpoints} layout=${layout} look=${look} />
    <${Picture} layout=${layout} focus=${focus} marked=${at(markedId)} look=${look} mark=${() => setMarkedId(ids[focus])} />
    <${Looked} layout=${layout} node=${focus} marked=${at(markedId)} mark=${setMarkedId} />
  </div>`;
}

/** @param {{layout: Layout, look: (node: number) => void}} props */
function Checkpoints({ layout, look }) {
  const named = Object.entries(layout.tree.checkpoints);
  if (!named.length) return null;
  return html`<ul class="map-names" aria-label=${t("web.map.checkpoints")}>
    ${named.map(([id, name]) => html`<li key=${id}><button type="button" class="link-button" onClick=${() => (look(layout.tree.ids.indexOf(id)), goTo(id))}>${name}</button></li>`)}
  </ul>`;
}

/** @param {{layout: Layout, focus: number, marked: number, look: (node: number) => void, mark: () => void}} props */
function Picture({ layout, focus, marked, look, mark }) {
  const frame = useRef(/** @type {any} */ (null));
  const canvas = useRef(/** @type {any} */ (null));
  const { width, height } = sizeOf(layout, Object.keys(layout.tree.checkpoints).length ? NAMES_PX : 0);
  const paint = () => {
    if (!frame.current) return; // the map was closed while its size was looked at
    const { scrollLeft: left, scrollTop: top, clientWidth, clientHeight } = frame.current;
    Object.assign(canvas.current.style, { width: `${clientWidth}px`, height: `${clientHeight}px` });
    draw(canvas.current, layout, { left, top, focus, marked });
  };
  const latest = useRef(paint);
  latest.current = paint;
  useLayoutEffect(() => intoView(frame.current, layout, focus), [layout, focus]);
  useLayoutEffect(paint, [layout, focus, marked, theme.value]);
  useEffect(() => {
    const again = () => latest.current();
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const grown = new ResizeObserver(again);
    grown.observe(frame.current);
    dark.addEventListener("change", again);
    return () => (grown.disconnect(), dark.removeEventListener("change", again));
  }, []);
  const nodeOf = (/** @type {PointerEvent} */ event) => {
    const box = frame.current.getBoundingClientRect();
    return nodeAt(layout, event.clientX - box.left + frame.current.scrollLeft, event.clientY - box.top + frame.current.scrollTop);
  };
  const hover = (/** @type {PointerEvent} */ event) => event.pointerType === "mouse" && look(nodeOf(event));
  const press = (/** @type {PointerEvent} */ event) => {
    const node = nodeOf(event);
    look(node);
    if (node >= 0 && event.pointerType === "mouse") go(layout.tree.ids[node]);
  };
  const keyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = step(layout, focus, event.key);
    if (next >= 0) look(next);
    else if (event.key === "Enter") go(layout.tree.ids[focus]);
    else if (event.key === "c") mark();
    else if (event.key === "Escape") closeSide();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div
    class="map-frame"
    ref=${frame}
    role="application"
    tabindex="0"
    aria-label=${t("web.map.label")}
    aria-roledescription=${t("web.map.role")}
    aria-describedby="map-looked map-keys"
    onScroll=${paint}
    onPointerMove=${hover}
    onClick=${press}
    onKeyDown=${keyDown}
  >
    <div class="map-room" style=${{ width: `${width}px`, height: `${height}px` }}><canvas class="map-canvas" ref=${canvas} aria-hidden="true"></canvas></div>
  </div>`;
}

/** @param {HTMLElement} frame @param {Layout} layout @param {number} node */
function intoView(frame, { rows, lanes }, node) {
  const [left, top] = [x(lanes[node]), y(rows[node])];
  const { scrollLeft, scrollTop, clientWidth, clientHeight } = frame;
  if (top < scrollTop + ROW || top > scrollTop + clientHeight - ROW) frame.scrollTop = top - clientHeight / 2;
  if (left < scrollLeft + ROW || left > scrollLeft + clientWidth - ROW) frame.scrollLeft = left - clientWidth / 2;
}

/** The path goes through it, and the list moves there. On a narrow screen the map makes room. @param {string} id */
async function go(id) {
  if (busy.value) return;
  await goTo(id);
  if (matchMedia("(max-width: 720px)").matches) closeSide();
}

/** What the message says that is looked at, and what can be done with it. @param {{layout: Layout, node: number, marked: number, mark: (id: string) => void}} props */
function Looked({ layout, node, marked, mark }) {
  const id = layout.tree.ids[node];
  const message = useMessage(id);
  const place = layout.rows[node] + 1;
  const compare = () => ((comparing.value = { left: layout.tree.ids[marked], right: id }), mark(""));
  const alone = layout.children.length < 2;
  return html`<div class="map-looked">
    <div id="map-looked" aria-live="polite">
      <b>${message ? `${place}. ${nameOf(message)}` : `${place}.`}</b>
      <p class="map-words">${message?.text.slice(0, WORDS) ?? ""}</p>
    </div>
    <div class="row">
      <button type="button" class="button button-main" disabled=${busy.value} onClick=${() => go(id)}>${t("web.map.go")}</button>
      ${marked >= 0 && marked !== node
        ? html`<button type="button" class="button" onClick=${compare}>${t("web.map.compare")}</button>`
        : html`<button type="button" class="button" disabled=${alone || marked === node} onClick=${() => mark(id)}>${t(marked === node ? "web.map.marked" : "web.map.mark")}</button>`}
    </div>
    <${Naming} key=${id} id=${id} name=${layout.tree.checkpoints[id] ?? ""} />
    <p class="quiet map-keys" id="map-keys">${t("web.map.keys")}</p>
  </div>`;
}

/** @param {{id: string, name: string}} props */
function Naming({ id, name }) {
  const save = (/** @type {any} */ event) => event.target.value.trim() !== name && nameCheckpoint(id, event.target.value.trim());
  return html`<label class="map-naming"><span class="quiet">${t("web.map.checkpoint")}</span>
    <input class="field" maxlength="200" defaultValue=${name} placeholder=${t("web.map.checkpoint_none")} disabled=${busy.value} onChange=${save} />
  </label>`;
}

/** @param {string} id */
function useMessage(id) {
  const [message, setMessage] = useState(/** @type {Message | null} */ (null));
  const chatId = chat.value?.id;
  useEffect(() => {
    const timer = setTimeout(() => api.get(`/chats/${chatId}/messages/${id}`).then((got) => got.id === id && setMessage(got), () => null), READ_AFTER_MS);
    return () => clearTimeout(timer);
  }, [chatId, id, chat.value?.revision]);
  return message?.id === id ? message : null;
}
