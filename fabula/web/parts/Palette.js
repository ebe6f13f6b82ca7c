// Every action of the app by its name (Ctrl-K). Knows what is offered, not what it does.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import { ROOMS } from "../rooms.js";
import { actions, keysOf, overlay, searchActions } from "../state/actions.js";
import { t } from "../texts.js";
import "./appActions.js";
import { Dialog } from "./Dialog.js";
import { EXACT, closeness, fit } from "./fuzzy.js";
import { html } from "./html.js";
import { Icon } from "./Icon.js";
import { shownKeys } from "./words.js";

/** @typedef {import("../state/actions.js").Action} Action */

const SHOWN = 60;
const REMEMBERED = 6;
const PAUSE_MS = 120; // of typing, before the studio is asked

ROOMS.forEach((room) => room.actions?.().catch(() => null)); // without its code a room offers nothing

const close = () => (overlay.value = "");

const STORED = "fabula.actions";
/** The ids of what was last done, the newest first. @returns {string[]} */
const lastDone = () => (localStorage.getItem(STORED) ?? "").split("\n");

/** @param {Action} action */
function run(action) {
  close();
  const last = [action.id, ...lastDone().filter((id) => id !== action.id)];
  localStorage.setItem(STORED, last.slice(0, REMEMBERED).join("\n"));
  queueMicrotask(() => action.run()); // when the palette is taken away, which gives the focus back: before the next key
}

/** What was used last, else in the order of the rooms. @param {Action[]} list */
function byHabit(list) {
  const last = lastDone();
  const place = (/** @type {Action} */ { id }) => (last.indexOf(id) + 1 || REMEMBERED + 1);
  return list.toSorted((one, other) => place(one) - place(other));
}

/** The best first: what is called just that, what begins so, what has words that do, and the rest by how well it fits. @param {Action[]} list @param {string} typed @param {Action[]} [anyway] also these, which the studio found by what they hold */
function byFit(list, typed, anyway = []) {
  const rows = [...list, ...anyway].map((action) => ({
    action,
    close: Math.max(closeness(typed, action.words), closeness(typed, action.name ?? "")),
    score: Math.max(fit(typed, action.words), fit(typed, action.id)),
  }));
  const fitting = rows.filter(({ action, score }) => score >= 0 || anyway.includes(action));
  const better = (/** @type {typeof rows[0]} */ one, /** @type {typeof rows[0]} */ other) => (one.close === EXACT ? 0 : other.score - one.score); // all that is called so, in its own order
  return fitting.sort((one, other) => other.close - one.close || better(one, other)).map(({ action }) => action);
}

export function Palette() {
  const [typed, setTyped] = useState("");
  const [found, setFound] = useState({ by: "", list: /** @type {Action[]} */ ([]) });
  const [chosen, setChosen] = useState(""); // an id, which stays chosen where others come before it
  useEffect(() => {
    let holds = true;
    const by = typed.trim();
    const timer = setTimeout(async () => by && searchActions(by).then((list) => holds && setFound({ by, list })), PAUSE_MS);
    return () => (clearTimeout(timer), (holds = false));
  }, [typed]);
  // What was found by fewer words is offered where it fits until the studio has answered.
  const [older, answered] = found.by === typed.trim() ? [[], found.list] : [found.list, []];
  const list = typed.trim() ? byFit([...actions.value, ...older], typed, answered) : byHabit(actions.value);
  const rows = list.slice(0, SHOWN);
  const place = Math.max(rows.findIndex(({ id }) => id === chosen), Math.min(0, rows.length - 1));
  const type = (/** @type {string} */ text) => (setTyped(text), setChosen(""));
  const keyDown = (/** @type {KeyboardEvent} */ event) => !event.isComposing && moved(event, place, rows, setChosen);
  return html`<${Dialog} title=${t("web.palette.title")} close=${close} class="palette" bare>
    <label class="search"><${Icon} name="search" /><input
        class="field"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-rows"
        aria-activedescendant=${rows.length ? `palette-${place}` : undefined}
        aria-label=${t("web.palette.title")}
        placeholder=${t("web.palette.placeholder")}
        autocomplete="off"
        spellcheck=${false}
        autofocus
        value=${typed}
        onInput=${(/** @type {any} */ event) => type(event.target.value)}
        onKeyDown=${keyDown}
    /></label>
    <${Rows} rows=${rows} at=${place} />
    <p class="sr-only" role="status">${t("web.palette.count", { count: rows.length })}</p>
  <//>`;
}

/** @param {{rows: Action[], at: number}} props */
function Rows({ rows, at }) {
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => list.current?.children[at]?.scrollIntoView({ block: "nearest" }), [at, rows.length]);
  if (!rows.length) return html`<p class="quiet palette-none" id="palette-rows" role="listbox" aria-label=${t("web.palette.title")}>${t("web.palette.none")}</p>`;
  return html`<ul class="palette-rows" id="palette-rows" role="listbox" aria-label=${t("web.palette.title")} ref=${list}>
    ${rows.map(
      (action, index) => html`<li key=${action.id} id=${`palette-${index}`} class="palette-row" role="option" aria-selected=${index === at} onClick=${() => run(action)}>
        <${Icon} name=${action.icon ?? "none"} /><span>${action.words}</span>
        ${action.note && html`<small class="quiet">${action.note}</small>`}
        ${keysOf(action)[0] && html`<kbd>${shownKeys(keysOf(action)[0]).join(" ")}</kbd>`}
      </li>`,
    )}
  </ul>`;
}

/** @param {KeyboardEvent} event @param {number} at @param {Action[]} rows @param {(id: string) => void} choose */
function moved(event, at, rows, choose) {
  const last = rows.length - 1;
  const places = /** @type {Record<string, number>} */ ({ ArrowDown: at === last ? 0 : at + 1, ArrowUp: at <= 0 ? last : at - 1, PageDown: Math.min(at + 8, last), PageUp: Math.max(at - 8, 0) });
  if (event.key in places) choose(rows[places[event.key]]?.id ?? "");
  else if (event.key === "Enter") rows[at] && run(rows[at]);
  else if (event.key === "k" && (event.ctrlKey || event.metaKey)) close();
  else return;
  event.preventDefault();
}
