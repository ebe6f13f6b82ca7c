// The app: one frame, its rooms, the keys that work everywhere.
// @ts-check
import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { shortcutsOpen, Shortcuts } from "./parts/Shortcuts.js";
import { Rail } from "./parts/Rail.js";
import { Toasts } from "./parts/Toasts.js";
import { html } from "./parts/html.js";
import { chat, redo, toEnd, toStart, undo } from "./state/chat.js";
import { newChat } from "./state/chats.js";
import { start, unreachable } from "./state/events.js";
import "./state/group.js";
import { reading, theme } from "./state/prefs.js";
import { route } from "./state/route.js";
import { busy, stop } from "./state/turn.js";
import { chosenLanguage, setLanguage, t } from "./texts.js";
import { CharactersView } from "./views/characters.js";
import { ChatView } from "./views/chat.js";
import { Home } from "./views/home.js";
import { Settings } from "./views/settings.js";

/** Rooms that are there from the start; of the others the code comes when one is entered. */
const views = signal(/** @type {Record<string, any>} */ ({ home: Home, characters: CharactersView, settings: Settings }));
const LATER = /** @type {Record<string, () => Promise<any>>} */ ({
  lore: () => import("./views/lore.js").then(({ Lore }) => Lore),
  models: () => import("./views/models.js").then(({ ModelsView }) => ModelsView),
});

function App() {
  const { view, id } = route.value;
  return html`
    <a class="skip" href="#main" onClick=${skip}>${t("web.nav.skip")}</a>
    <${Rail} />
    ${view === "chat" ? html`<${ChatView} id=${id} />` : html`<${views.value[view] ?? Entering} id=${id} />`}
    ${unreachable.value && html`<div class="banner" role="alert">${t("web.error.unreachable_retrying")}</div>`}
    <${Toasts} />
    <${Shortcuts} />
  `;
}

/** Until the room's code is there; without it (the studio has gone) the banner tells. */
function Entering() {
  return html`<main class="page" id="main"><p class="quiet">${t("web.loading")}</p></main>`;
}

effect(() => {
  const { view } = route.value;
  if (view in LATER && !views.peek()[view]) LATER[view]().then((room) => (views.value = { ...views.peek(), [view]: room }), () => null);
});

/** The address is the router's, so the jump is made by hand. @param {Event} event */
function skip(event) {
  event.preventDefault();
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  main.tabIndex = -1;
  main.focus();
}

effect(() => {
  const root = document.documentElement;
  if (theme.value === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme.value;
  root.dataset.reading = reading.value;
});

// ── keys ────────────────────────────────────────────────────────────────────────────────────────────

/** @param {KeyboardEvent} event */
function isTyping({ target }) {
  return target instanceof HTMLElement && Boolean(target.closest("input:not([type=checkbox],[type=radio]), textarea, select"));
}

/** "Ctrl-z", "Alt-n", "?" … @param {KeyboardEvent} event */
function nameOf(event) {
  const main = event.ctrlKey || event.metaKey ? "Ctrl-" : event.altKey ? "Alt-" : "";
  const shift = main && event.shiftKey ? "Shift-" : "";
  return main + shift + (main && event.key.length === 1 ? event.key.toLowerCase() : event.key);
}

const focusComposer = () => document.getElementById("composer")?.focus();

/** Keys that work wherever the focus is. @type {Record<string, () => void>} */
const ANYWHERE = { Escape: () => busy.value && stop(), "Alt-n": () => newChat() };

/** Keys that belong to the text while something is typed. @type {Record<string, () => void>} */
const OUTSIDE = {
  "?": () => (shortcutsOpen.value = true),
  "/": focusComposer,
  "Ctrl-z": () => chat.value?.can_undo && !busy.value && undo(),
  "Ctrl-Shift-z": () => chat.value?.can_redo && !busy.value && redo(),
  "Ctrl-y": () => chat.value?.can_redo && !busy.value && redo(),
  "Ctrl-Home": () => toStart(),
  "Ctrl-End": () => toEnd(),
};

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
  const name = nameOf(event);
  const verb = ANYWHERE[name] ?? (isTyping(event) ? undefined : OUTSIDE[name]);
  if (!verb) return;
  if (name !== "Escape") event.preventDefault();
  verb();
});

await setLanguage(chosenLanguage.value);
start();
render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
