// Who the person can be in stories: name, picture, description, where it stands, with whom; one is the usual one. Knows
// no chat.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api.js";
import { newLine } from "../state/line.js";
import { loadPersonas, personas } from "../state/story.js";
import { tell, tellError } from "../state/toasts.js";
import { t } from "../texts.js";
import { Linked, Picker } from "./characters/Picker.js";
import { html } from "./html.js";
import { Icon, IconButton, Press, usePress } from "./Icon.js";
import { Pick, Tick } from "./Kept.js";

/** @import { Persona } from "../types.d.ts" */

const PLACES = /** @type {const} */ ([0, 2, 3, 4, 9]);
const IN_CHAT = 4;
const inLine = newLine();

/** Answers whether it was done; a refusal is told. @param {() => Promise<any>} ask @returns {Promise<boolean>} */
const change = (ask) =>
  inLine(async () => {
    const done = await ask().then(() => true, (error) => (tellError(error), false));
    await loadPersonas();
    return done;
  });

/** As it is when it is a change's turn. @param {string} id */
const nowOf = (id) => personas.value?.find((one) => one.id === id);

/** @param {string} id */
const revisionOf = (id) => nowOf(id)?.revision ?? 0;

/** @param {Persona} one @param {number} size */
const pictureOf = ({ id, picture }, size) => (picture ? api.addressOf(`/personas/${encodeURIComponent(id)}/thumbnail?size=${size}&v=${picture}`) : "");

export function Personas() {
  const [name, setName] = useState("");
  useEffect(() => void loadPersonas(), []);
  const [makes, make] = usePress(async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (name.trim() && (await change(() => api.post("/personas", { name })))) setName((now) => (now === name ? "" : now));
  });
  return html`<section aria-labelledby="personas">
    <h2 id="personas">${t("web.personas.title")}</h2>
    <p class="quiet">${t("web.personas.about")}</p>
    <form class="lore-tools" onSubmit=${make}>
      <input class="field" maxlength="200" aria-label=${t("web.personas.name")} placeholder=${t("web.personas.name")} value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} />
      <button type="submit" class="button" aria-busy=${makes || undefined} disabled=${!name.trim()}><${Icon} name="plus" />${t("web.personas.make")}</button>
    </form>
    <ul class="personas">${(personas.value ?? []).map((one) => html`<${Row} key=${one.id} persona=${one} />`)}</ul>
  </section>`;
}

/** @param {{persona: Persona}} props */
function Row({ persona }) {
  const { id, name, title, description, links } = persona;
  const path = `/personas/${encodeURIComponent(id)}`;
  const save = (/** @type {Partial<Persona>} */ fields) => change(() => api.patch(path, { revision: revisionOf(id), ...fields }));
  const link = (/** @type {(links: Persona["links"]) => Partial<Persona["links"]>} */ values) => change(() => {
    const now = nowOf(id)?.links ?? links;
    return api.patch(path, { revision: revisionOf(id), links: { ...now, ...values(now) } });
  });
  const write = (/** @type {"name" | "title" | "description"} */ field) => (/** @type {any} */ event) => (field !== "name" || event.target.value.trim()) && save({ [field]: event.target.value });
  return html`<li class="persona">
    <${Picture} persona=${persona} path=${path} />
    <div class="persona-words">
      <div class="row row-spread">
        <strong>${name}${title && html` <span class="quiet">(${title})</span>`}</strong>
        <span class="row">
          <label class="check"><${Tick} value=${links.everywhere} save=${(/** @type {boolean} */ everywhere) => link(() => ({ everywhere }))} /><span>${t("web.personas.usual")}</span></label>
          <${IconButton} icon="trash" label=${t("web.personas.delete", { name })} onClick=${() => removePersona(persona, path)} />
        </span>
      </div>
      <textarea class="field persona-text" rows="2" aria-label=${t("web.personas.description", { name })} placeholder=${t("web.personas.placeholder")} defaultValue=${description} onChange=${write("description")}></textarea>
      <details>
        <summary class="quiet">${t("web.personas.more")}</summary>
        <div class="persona-more">
          <label class="block"><span>${t("web.personas.called")}</span><input class="field" maxlength="200" required defaultValue=${name} onChange=${write("name")} /></label>
          <label class="block"><span>${t("web.personas.title_field")}</span><input class="field" maxlength="200" defaultValue=${title} onChange=${write("title")} /></label>
          <${Place} persona=${persona} save=${save} />
          <${With} persona=${persona} link=${link} />
          <${Uses} path=${path} />
        </div>
      </details>
    </div>
  </li>`;
}

/** @param {{persona: Persona, path: string}} props */
function Picture({ persona, path }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const { id, name } = persona;
  const picture = pictureOf(persona, 192);
  const draw = (/** @type {Blob} */ content) => change(() => api.lay(`${path}/picture?revision=${revisionOf(id)}`, content));
  const take = (/** @type {any} */ event) => {
    const [file] = event.target.files;
    if (file) draw(file);
    event.target.value = "";
  };
  const label = t("web.personas.picture", { name });
  return html`<div class="persona-picture">
    <button type="button" title=${label} aria-label=${label} onClick=${() => input.current?.click()}>${picture ? html`<img src=${picture} alt="" />` : html`<span aria-hidden="true">${[...name][0]}</span>`}</button>
    ${picture && html`<${IconButton} icon="close" label=${t("web.personas.no_picture", { name })} onClick=${() => draw(new Blob([]))} />`}
    <input ref=${input} type="file" hidden accept="image/png,image/jpeg,image/webp,image/gif" aria-label=${label} onChange=${take} />
  </div>`;
}

/** @param {{persona: Persona, save: (fields: Partial<Persona>) => void}} props */
function Place({ persona, save }) {
  const { place, depth } = persona;
  return html`<label class="block"><span>${t("web.personas.place")}</span>
      <${Pick} value=${String(place)} save=${(/** @type {string} */ one) => save({ place: Number(one) })}>${PLACES.map((one) => html`<option key=${one} value=${String(one)}>${t(`web.personas.place_${one}`)}</option>`)}<//></label>
    ${place === IN_CHAT && html`<label class="block"><span>${t("web.story.note_depth")}</span><input class="field" type="number" min="0" max="10000" required defaultValue=${depth} onChange=${(/** @type {any} */ event) => event.target.reportValidity() && save({ depth: Number(event.target.value) })} /></label>`}`;
}

/** The characters who take it before the usual one. @param {{persona: Persona, link: (values: (links: Persona["links"]) => Partial<Persona["links"]>) => unknown}} props */
function With({ persona, link }) {
  const { links } = persona;
  const drop = (/** @type {string} */ id) => link(({ characters }) => ({ characters: characters.filter((other) => other !== id) }));
  const add = (/** @type {string} */ id) => link(({ characters }) => ({ characters: [...characters.filter((other) => other !== id), id] }));
  return html`<div class="block"><span>${t("web.personas.with")}</span>
    <div class="row">
      ${links.characters.map((id) => html`<${Linked} key=${id} id=${id} end=${() => drop(id)} />`)}
      <${Picker} label=${t("web.personas.with_add")} but=${links.characters} pick=${(/** @type {{id: string}} */ { id }) => add(id)} />
    </div></div>`;
}

/** @param {{path: string}} props */
function Uses({ path }) {
  const [chats, setChats] = useState(/** @type {{id: string, title: string}[] | null} */ (null));
  const look = () => api.get(`${path}/uses`).then((got) => setChats(got.chats), tellError);
  if (!chats) return html`<p><${Press} class="link-button" onClick=${look}>${t("web.personas.uses")}<//></p>`;
  if (!chats.length) return html`<p class="quiet">${t("web.personas.unused")}</p>`;
  return html`<ul class="persona-uses" aria-label=${t("web.personas.uses")}>${chats.map(({ id, title }) => html`<li key=${id}><a href=${`#/chat/${encodeURIComponent(id)}`}>${title || t("web.chats.untitled")}</a></li>`)}</ul>`;
}

/** Chats that name it have it again when it is put back. @param {Persona} persona @param {string} path */
async function removePersona({ name, title, description, place, depth, role, links, picture }, path) {
  if (!(await change(() => api.remove(path)))) return;
  const body = { name, title, description, place, depth, role, links, picture };
  tell(t("web.personas.deleted", { name }), { action: { label: t("web.undo"), run: () => change(() => api.put(path, body)) } });
}
