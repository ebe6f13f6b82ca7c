// A model on the shelf: its page a click away, a chat with it, what it takes while it is loaded. Knows one model.
// @ts-check
import { newChat } from "../state/chats.js";
import { running } from "../state/system.js";
import { t } from "../texts.js";
import { Elsewhere } from "./Elsewhere.js";
import { html } from "./html.js";
import { Press } from "./Icon.js";
import { Loaded } from "./MemoryBar.js";
import { modelNote } from "./words.js";

/** @import { Model } from "../types.d.ts" */

/** @param {{model: Model}} props */
export function ModelRow({ model }) {
  const { name } = model;
  const loaded = running.value.find((item) => item.model === name);
  const note = [modelNote(model), model.licence, model.base && t("web.models.made_of", { base: model.base })].filter(Boolean);
  return html`<li class="model-row">
    <div class="model-words">
      <a class="model-title link-row" href=${`#/models/${encodeURIComponent(name)}`}>${name}</a>
      <span class="quiet">${note.join(" · ")}</span>
      <${Elsewhere} model=${model} />
      ${model.problem && html`<p class="notice">${model.problem}</p>`}
    </div>
    ${loaded && html`<${Loaded} name=${name} />`}
    ${!model.problem && !model.pooling && html`<${Press} class="button" aria-label=${t("web.home.start_with", { model: name })} onClick=${() => newChat(name)}>${t("web.home.start")}<//>`}
  </li>`;
}
