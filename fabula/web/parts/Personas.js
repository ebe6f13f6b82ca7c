// Who the person can be in stories: a name and a description, one of them the usual one. Knows no chat.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../api.js";
import { newLine } from "../state/line.js";
import { loadPersonas, personas } from "../state/story.js";
import { tellError } from "../state/toasts.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { Icon } from "./Icon.js";

/** @import { Persona } from "../types.d.ts" */

const inLine = newLine();

/** @param {() => Promise<any>} ask */
const change = (ask) => inLine(() => ask().catch(tellError).then(loadPersonas));

/** The revision that a persona has when it is this change's turn. @param {string} id */
const revisionOf = (id) => personas.value?.find((one) => one.id === id)?.revision ?? 0;

export function Personas() {
  const [name, setName] = useState("");
  useEffect(() => void loadPersonas(), []);
  const make = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!name.trim()) return;
    await change(() => api.post("/personas", { name }));
    setName("");
  };
  return html`<section aria-labelledby="personas">
    <h2 id="personas">${t("web.personas.title")}</h2>
    <p class="quiet">${t("web.personas.about")}</p>
    <form class="lore-tools" onSubmit=${make}>
      <input class="field" maxlength="200" aria-label=${t("web.personas.name")} placeholder=${t("web.personas.name")} value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} />
      <button type="submit" class="button" disabled=${!name.trim()}><${Icon} name="plus" />${t("web.personas.make")}</button>
    </form>
    <ul class="lore-entries">${(personas.value ?? []).map((one) => html`<${Row} key=${one.id} persona=${one} />`)}</ul>
  </section>`;
}

/** @param {{persona: Persona}} props */
function Row({ persona }) {
  const { id, name, description, links } = persona;
  const save = (/** @type {Partial<Persona>} */ fields) => change(() => api.patch(`/personas/${id}`, { revision: revisionOf(id), ...fields }));
  const write = (/** @type {any} */ event) => event.target.value !== description && save({ description: event.target.value });
  return html`<li class="lore-entry">
    <div class="lore-fields">
      <strong>${name}</strong>
      <label class="check"><input type="checkbox" checked=${links.everywhere} onChange=${() => save({ links: { ...links, everywhere: !links.everywhere } })} /><span>${t("web.personas.usual")}</span></label>
      <button type="button" class="button button-quiet" aria-label=${t("web.personas.delete", { name })} onClick=${() => change(() => api.remove(`/personas/${id}`))}><${Icon} name="trash" /></button>
    </div>
    <textarea class="field" rows="3" aria-label=${t("web.personas.description", { name })} placeholder=${t("web.personas.placeholder")} defaultValue=${description} onChange=${write}></textarea>
  </li>`;
}
