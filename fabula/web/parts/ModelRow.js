// A model on this machine: start a chat with it, see what it takes while it is loaded, stop it. Knows one model.
// @ts-check
import { useState } from "preact/hooks";
import { newChat } from "../state/chats.js";
import { loadSystem, running, unload } from "../state/system.js";
import { t } from "../texts.js";
import { Elsewhere } from "./Elsewhere.js";
import { html } from "./html.js";
import { Icon } from "./Icon.js";
import { MemoryBar } from "./MemoryBar.js";
import { later } from "./later.js";
import { modelNote } from "./words.js";

/** @import { Model } from "../types.d.ts" */

const ModelDetails = later(() => import("./ModelDetails.js"), "ModelDetails");

/** @param {{model: Model}} props */
export function ModelRow({ model }) {
  const loaded = running.value.find((item) => item.model === model.name);
  const [open, setOpen] = useState(false);
  const { name } = model;
  const toggle = () => {
    setOpen(!open);
    if (!open) loadSystem(); // when a model expires changes with each use
  };
  return html`<li class="model-row">
    <div class="model-words">
      <span class="model-title">${name}</span>
      <span class="quiet">${modelNote(model)}${model.licence && ` · ${model.licence}`}</span>
      <button type="button" class="model-fold" aria-expanded=${open} aria-label=${t("web.model.details_named", { model: name })} onClick=${toggle}>
        <${Icon} name=${open ? "down" : "right"} />${t("web.model.details")}
      </button>
      <${Elsewhere} model=${model} />
      ${model.problem && html`<p class="notice">${model.problem}</p>`}
    </div>
    ${loaded && html`<div class="model-loaded">
      <${MemoryBar} plan=${loaded.plan} />
      <button type="button" class="button button-quiet" disabled=${loaded.busy > 0} aria-label=${t("web.model.stop_named", { model: name })} onClick=${() => unload(model.name)}>
        <${Icon} name="stop" />${t(loaded.busy > 0 ? "web.model.busy" : "web.model.stop")}
      </button>
    </div>`}
    ${!model.problem && html`<button type="button" class="button button-main" aria-label=${t("web.home.start_with", { model: name })} onClick=${() => newChat(model.name)}>${t("web.home.start")}</button>`}
    ${open && html`<${ModelDetails} name=${name} loaded=${loaded} />`}
  </li>`;
}
