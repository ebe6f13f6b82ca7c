// Which system prompt of the library the open chat is told with. Knows the open chat.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { chat } from "../../state/chat.js";
import { readStory, setStory, story } from "../../state/story.js";
import { tellError } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Pick } from "../Kept.js";

/** @typedef {{id: string, name: string, text: string, language: string, built_in: boolean}} Pack */

export function Packs() {
  const [packs, setPacks] = useState(/** @type {Pack[]} */ ([]));
  const now = chat.value;
  useEffect(() => void api.get("/packs").then((got) => setPacks(got.packs), tellError), []);
  useEffect(() => void (now && readStory(now)), [now?.id, now?.revision]);
  const chosen = (story.value?.chat === now?.id && story.value?.pack) || "";
  const pack = packs.find(({ id }) => id === chosen);
  return html`<div class="block"><label class="block">
    <span class="label">${t("web.packs.label")}</span>
    <${Pick} key=${now?.id} value=${chosen} save=${(/** @type {string} */ pack) => setStory({ pack })}>
      <option value="">${t("web.packs.usual")}</option>
      ${packs.map((one) => html`<option key=${one.id} value=${one.id}>${one.language ? `${one.name} (${one.language})` : one.name}</option>`)}
    <//></label>
    <small class="quiet">${t("web.packs.about")}</small>
    ${pack && html`<details><summary>${t("web.packs.text")}</summary><pre class="prompt-text">${pack.text}</pre></details>`}
  </div>`;
}
