// The app: one frame, its rooms, the keys that work everywhere.
// @ts-check
import { effect } from "@preact/signals";
import { render } from "preact";
import { Ahead, Coming, ComingDialog, later } from "./parts/later.js";
import { Rail } from "./parts/Rail.js";
import { Toasts } from "./parts/Toasts.js";
import { html } from "./parts/html.js";
import { ROOMS, roomOf } from "./rooms.js";
import { actionOf, keepAhead, offer, overlay } from "./state/actions.js";
import { newChat } from "./state/chats.js";
import { start, unreachable } from "./state/events.js";
import { route } from "./state/route.js";
import { loadTexts, t } from "./texts.js";

const VIEWS = Object.fromEntries(ROOMS.map(({ name, load, style }) => [name, later(load, "", style, Entering)]));
const PATIENCE_MS = 500; // with the room that the address names; then the frame is there without it
const whenIdle = globalThis.requestIdleCallback ?? setTimeout;
/** What lies over the room. @type {Record<string, any>} */
const OVERLAYS = {
  palette: later(() => import("./parts/Palette.js"), "Palette", "palette.css", ComingDialog),
  keys: later(() => import("./parts/Shortcuts.js"), "Shortcuts", "palette.css", Nothing),
  more: later(() => import("./parts/MoreSheet.js"), "MoreSheet", "palette.css", Nothing),
};

function App() {
  const { view, id, rest } = route.value;
  const room = roomOf(view, id).name;
  return html`
    <a class="skip" href="#main" onClick=${skip}>${t("web.nav.skip")}</a>
    <${Rail} />
    <${VIEWS[room]} key=${room} id=${id} rest=${rest} />
    ${unreachable.value && html`<div class="banner" role="alert">${t("web.error.unreachable_retrying")}</div>`}
    <${Toasts} />
    ${overlay.value && html`<${OVERLAYS[overlay.value]} key=${overlay.value} />`}
  `;
}

/** Until the room's code is there. @param {{id: string, children?: any}} props what went wrong, if it did */
function Entering({ id, children }) {
  return html`<main class="page" id="main"><${Coming}>${children}<//>${!children && html`<${Ahead} name=${typedFor(id)} />`}</main>`;
}

/** What is typed for, where a room is entered for typing. @param {string} id */
function typedFor(id) {
  const { name, typing } = roomOf(route.value.view, id);
  return typing && id ? `${name} ${id}` : "";
}

function Nothing() {
  return null;
}

/** The app's files, for the next time; it works without, and only localhost and HTTPS may. */
function keepFiles() {
  const root = new URL(import.meta.url).pathname.split("/web/")[0];
  navigator.serviceWorker?.register(`${root}/sw.js`, { scope: `${root}/` }).catch(() => null);
}

/** The address is the router's, so the jump is made by hand. @param {Event} event */
function skip(event) {
  event.preventDefault();
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  main.tabIndex = -1;
  main.focus();
}

effect(() => {
  document.title = `${t(roomOf(route.value.view, "").words)} · Fabula`;
});

// ── keys ────────────────────────────────────────────────────────────────────────────────────────────

offer("app", () => [
  { id: "new", words: t("web.keys.new"), icon: "plus", keys: "Alt-n", typing: true, run: () => newChat() },
  { id: "palette", words: t("web.palette.title"), icon: "search", keys: "Ctrl-k", typing: true, run: () => (overlay.value = "palette") },
  { id: "keys", words: t("web.keys.title"), keys: "?", run: () => (overlay.value = "keys") },
]);

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
  const action = actionOf(event);
  if (!action) return;
  if (event.key !== "Escape") event.preventDefault();
  action.run();
});

const drawn = keepAhead(typedFor(route.value.id));
const room = VIEWS[roomOf(route.value.view, route.value.id).name].bring(); // while the texts are on their way
await loadTexts();
start();
await Promise.race([room, new Promise((done) => setTimeout(done, PATIENCE_MS))]); // what is drawn first is drawn once
drawn();
render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
whenIdle(() => {
  keepFiles();
  import("./state/leaving.js").catch(() => null);
  import("./parts/wearLook.js").catch(() => null); // early.js has put on what was worn last
});
