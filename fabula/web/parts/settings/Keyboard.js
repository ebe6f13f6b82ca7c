// Keys that do something everywhere, each of which can be another one in this browser. Knows no action's inside.
// @ts-check
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { ROOMS } from "../../rooms.js";
import { keysOf, nameOf, offered, overlay, remap, remapped } from "../../state/actions.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { shownKeys } from "../words.js";

/** @import { Action } from "../../state/actions.js" */

const ALONE = ["Control", "Shift", "Alt", "Meta", "AltGraph", "Dead", "Process", "CapsLock"];

export function Keyboard() {
  const asked = useSignal(""); // read when a key is pressed: it may come before the next frame is drawn
  const [note, setNote] = useState("");
  useEffect(() => ROOMS.forEach((room) => room.actions?.().catch(() => null)), []);
  useLayoutEffect(() => {
    const press = (/** @type {KeyboardEvent} */ event) => {
      if (!asked.value || ALONE.includes(event.key) || event.isComposing) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key !== "Escape") setNote(take(listed(), asked.value, nameOf(event)));
      asked.value = "";
    };
    addEventListener("keydown", press, true);
    return () => removeEventListener("keydown", press, true);
  }, []);
  const changed = Object.keys(remapped.value).length > 0;
  return html`<section aria-labelledby="keyboard-title">
    <h2 id="keyboard-title">${t("web.settings.page.shortcuts")}</h2>
    <p class="quiet">${t("web.keyboard.about")} <button type="button" class="link-button" onClick=${() => (overlay.value = "keys")}>${t("web.keyboard.all")}</button></p>
    <p role="status" class="notice">${note}</p>
    <ul class="rows" aria-label=${t("web.settings.page.shortcuts")}>
      ${listed().map((action) => html`<${Row} key=${action.id} action=${action} asked=${asked.value === action.id} ask=${() => (setNote(""), (asked.value = action.id))} />`)}
    </ul>
    ${changed && html`<div class="row settings-end"><button type="button" class="button" onClick=${() => (remap(null), setNote(""))}>${t("web.keyboard.reset")}</button></div>`}
  </section>`;
}

/** Every action that has a key, or had one that was taken from it. @returns {Action[]} */
function listed() {
  return offered.value.filter((action) => action.keys !== undefined || action.id in remapped.value);
}

/** A key does one thing: whoever had it goes without, and that is told. @param {Action[]} list @param {string} id @param {string} keys */
function take(list, id, keys) {
  const others = list.filter((action) => action.id !== id && keysOf(action).includes(keys));
  remap({ [id]: keys, ...Object.fromEntries(others.map((action) => [action.id, ""])) });
  return others.length ? t("web.keyboard.taken", { name: others.map((action) => action.words).join(" · ") }) : "";
}

/** @param {{action: Action, asked: boolean, ask: () => void}} props */
function Row({ action, asked, ask }) {
  const keys = keysOf(action).filter(Boolean);
  return html`<li class="settings-row">
    <span>${action.words}</span>
    <span class="row">
      ${asked ? html`<span class="quiet" role="status">${t("web.keyboard.press")}</span>` : keys.map((name) => html`<span key=${name}>${shownKeys(name).map((key) => html`<kbd>${key}</kbd> `)}</span>`)}
      ${!asked && !keys.length && html`<span class="quiet">${t("web.keyboard.none")}</span>`}
      <button type="button" class="button" aria-label=${t("web.keyboard.change_named", { name: action.words })} onClick=${ask}>${t("web.keyboard.change")}</button>
    </span>
  </li>`;
}
