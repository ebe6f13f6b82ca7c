// A field of a card written by a model from a wish; nothing is taken until the person says so. Knows no engine.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../../api.js";
import { dataNow, edit, renewed } from "../../state/card.js";
import { preferredModel, usable } from "../../state/system.js";
import { t } from "../../texts.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";
import { Icon } from "../Icon.js";
import { Trouble } from "../Trouble.js";

const TOKENS = 400; // at most, for one field
const ABOUT = ["name", "description", "personality", "scenario"];

/** @param {{field: string, label: string}} props */
export function WriteForMe({ field, label }) {
  const [open, setOpen] = useState(false);
  if (!usable.value.length) return null;
  return html`<button type="button" class="link-button" aria-label=${t("web.card.write_field", { field: label })} onClick=${() => setOpen(true)}>${t("web.card.write")}</button>
    ${open && html`<${Desk} field=${field} label=${label} close=${() => setOpen(false)} />`}`;
}

/** @param {{field: string, label: string, close: () => void}} props */
function Desk({ field, label, close }) {
  const [wish, setWish] = useState("");
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const stop = useRef(new AbortController());
  const [problem, setProblem] = useState(/** @type {{message: string} | null} */ (null));
  const write = async () => {
    setBusy(true);
    setProblem(null);
    try {
      const messages = [{ role: "user", text: askFor(field, label, wish) }];
      let written = "";
      stop.current = new AbortController();
      const body = { model: preferredModel.value, messages, sampling: { max_tokens: TOKENS } };
      for await (const { kind, data } of api.stream("/generate", body, stop.current.signal)) {
        if (kind === "text") setText((written += data.text));
        if (kind === "error") setProblem(data);
      }
      setText(written.trim());
    } catch (error) {
      if (!stop.current.signal.aborted) setProblem(/** @type {Error} */ (error));
    }
    setBusy(false);
  };
  useEffect(() => () => stop.current.abort(), []);
  const take = () => (edit({ [field]: text }), (renewed.value += 1), close());
  return html`<${Dialog} title=${t("web.card.write_field", { field: label })} close=${close}>
    <div class="block">
      <label class="block"><span class="label">${t("web.card.wish")}</span><textarea class="field" rows="3" placeholder=${t("web.card.wish_placeholder")} value=${wish} onInput=${(/** @type {any} */ event) => setWish(event.target.value)}></textarea></label>
      <small class="quiet">${t("web.card.write_about", { model: preferredModel.value })}</small>
      ${problem && html`<${Trouble} error=${problem} />`}
      ${text && html`<label class="block"><span class="label">${t("web.card.written")}</span><textarea class="field" rows="8" readonly=${busy} value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)}></textarea></label>`}
      <div class="row">
        <button type="button" class=${text ? "button" : "button button-main"} disabled=${busy} onClick=${write}><${Icon} name=${text ? "retry" : "edit"} />${t(busy ? "web.card.writing" : text ? "web.card.again" : "web.card.write")}</button>
        ${text && html`<button type="button" class="button button-main" onClick=${take}>${t("web.card.take_text")}</button>`}
        <button type="button" class="button" onClick=${close}>${t("web.cancel")}</button>
      </div>
    </div>
  <//>`;
}

/** @param {string} field @param {string} label @param {string} wish */
function askFor(field, label, wish) {
  const data = dataNow();
  const known = ABOUT.filter((name) => data[name]).map((name) => `${t(`web.card.fields.${name}`)}: ${data[name]}`);
  return [t("web.card.ask", { field: label }), ...known, wish && t("web.card.ask_wish", { wish }), t("web.card.ask_only")].filter(Boolean).join("\n\n");
}
