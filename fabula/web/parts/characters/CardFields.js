// The fields of a card, to write in. What is not known here is shown as it is, and stays. Knows no studio.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../../api.js";
import { character, dataNow, edit, editExtensions, pending, renewed, save } from "../../state/card.js";
import { drawers, loadDrawers } from "../../state/characters.js";
import { newLine } from "../../state/line.js";
import { tell, tellError } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Icon, IconButton, Press } from "../Icon.js";
import { partOf } from "./weights.js";
import { WriteForMe } from "./WriteForMe.js";

/** @import { WholeCharacter } from "../../types.d.ts" */

const ROLES = /** @type {const} */ (["system", "user", "assistant"]);
const KNOWN = new Set([
  ...["name", "nickname", "description", "personality", "scenario", "first_mes", "mes_example", "alternate_greetings", "group_only_greetings"],
  ...["system_prompt", "post_history_instructions", "creator", "character_version", "creator_notes", "tags", "source", "character_book"],
]);

/** @param {{now: WholeCharacter}} props */
export function CardFields({ now }) {
  const key = `${now.id}-${renewed.value}`;
  useEffect(() => void loadDrawers(), []);
  return html`<form key=${key} class="card-fields" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()} onFocusOut=${save}>
    <${Section} name="who">
      <div class="card-pair"><${Text} name="name" line required /><${Text} name="nickname" line /></div>
      <${Text} name="description" writes /><${Text} name="personality" writes /><${Text} name="scenario" writes />
    <//>
    <${Section} name="talk">
      <${Text} name="first_mes" writes />
      <${Texts} name="alternate_greetings" />
      <${Texts} name="group_only_greetings" />
      <${Text} name="mes_example" />
    <//>
    <${Section} name="prompts" folded>
      <${Text} name="system_prompt" /><${Text} name="post_history_instructions" />
      <${DepthNote} /><${OwnNote} id=${now.id} /><${Talkativeness} />
    <//>
    <${Section} name="about" folded>
      <div class="card-pair"><${Text} name="creator" line /><${Text} name="character_version" line /></div>
      <${Text} name="creator_notes" /><${Tags} /><${Source} />
    <//>
    <${Section} name="more" folded><${Book} now=${now} /><${Assets} /><${Rest} /><//>
  </form>`;
}

/** @param {{name: string, folded?: boolean, children?: any}} props */
function Section({ name, folded = false, children }) {
  return html`<details class="card-section" open=${!folded}><summary><h2>${t(`web.card.sections.${name}`)}</h2></summary>${children}</details>`;
}

/** @param {{field: string}} props what it costs, and when */
function Cost({ field }) {
  const part = partOf(field);
  return part ? html`<small class="quiet tabular card-cost">${t("web.card.cost", { tokens: part.tokens, when: t(`web.card.short_${part.when}`) })}</small>` : null;
}

/** @param {{name: string, line?: boolean, required?: boolean, writes?: boolean}} props */
function Text({ name, line = false, required = false, writes = false }) {
  const value = dataNow()[name] ?? "";
  const change = (/** @type {any} */ event) => (required && !event.target.value.trim()) || edit({ [name]: event.target.value });
  const label = t(`web.card.fields.${name}`);
  return html`<div class="block card-field">
    <div class="row row-spread"><label class="label" for=${`card-${name}`}>${label}</label><span class="row"><${Cost} field=${name} />${writes && html`<${WriteForMe} field=${name} label=${label} />`}</span></div>
    ${line ? html`<input id=${`card-${name}`} class="field" maxlength="200" required=${required} defaultValue=${value} onInput=${change} />` : html`<textarea id=${`card-${name}`} class="field card-text" rows="2" defaultValue=${value} onInput=${change}></textarea>`}
  </div>`;
}

/** A list of texts. @param {{name: "alternate_greetings" | "group_only_greetings"}} props */
function Texts({ name }) {
  const [drawn, setDrawn] = useState(0); // fields hold their own text: what moves is drawn anew
  const list = /** @type {string[]} */ (dataNow()[name] ?? []);
  const put = (/** @type {string[]} */ next) => (edit({ [name]: next }), setDrawn(drawn + 1));
  const swap = (/** @type {number} */ at, /** @type {number} */ to) => put(list.map((text, index) => (index === at ? list[to] : index === to ? list[at] : text)));
  const write = (/** @type {number} */ at, /** @type {string} */ text) => edit({ [name]: (dataNow()[name] ?? []).map((/** @type {string} */ old, /** @type {number} */ index) => (index === at ? text : old)) });
  return html`<fieldset class="block card-field">
    <legend class="label">${t(`web.card.fields.${name}`)}</legend>
    ${list.map((text, at) => {
      const label = t(`web.card.numbered.${name}`, { n: at + (name === "alternate_greetings" ? 2 : 1) });
      return html`<div class="block" key=${`${at}-${drawn}`}>
        <div class="row row-spread"><span class="quiet">${label}</span><span class="row">
          <${Cost} field=${`${name}.${at}`} />
          <${IconButton} icon="up" label=${t("web.card.earlier", { name: label })} disabled=${at === 0} onClick=${() => swap(at, at - 1)} />
          <${IconButton} icon="down" label=${t("web.card.later", { name: label })} disabled=${at === list.length - 1} onClick=${() => swap(at, at + 1)} />
          <${IconButton} icon="trash" label=${t("web.card.cut", { name: label })} onClick=${() => put(list.filter((_, index) => index !== at))} />
        </span></div>
        <textarea class="field card-text" rows="2" aria-label=${label} defaultValue=${text} onInput=${(/** @type {any} */ event) => write(at, event.target.value)}></textarea>
      </div>`;
    })}
    <button type="button" class="button button-quiet card-add" onClick=${() => put([...list, ""])}><${Icon} name="plus" />${t(`web.card.add.${name}`)}</button>
  </fieldset>`;
}

/** SillyTavern's note at a depth, inside the card. */
function DepthNote() {
  const note = dataNow().extensions?.depth_prompt ?? {};
  const change = (/** @type {Record<string, any>} */ values) => {
    const whole = { depth: 4, role: "system", ...dataNow().extensions?.depth_prompt, ...values };
    editExtensions({ depth_prompt: whole });
  };
  return html`<fieldset class="block card-field">
    <legend class="label">${t("web.card.fields.depth_prompt")}</legend><${Cost} field="depth_prompt" />
    <textarea class="field card-text" rows="2" aria-label=${t("web.card.fields.depth_prompt")} defaultValue=${note.prompt ?? ""} onInput=${(/** @type {any} */ event) => change({ prompt: event.target.value })}></textarea>
    <div class="card-pair">
      <label>${t("web.story.note_depth")}<input class="field" type="number" min="0" max="10000" defaultValue=${note.depth ?? 4} onInput=${(/** @type {any} */ event) => event.target.validity.valid && change({ depth: Number(event.target.value) })} /></label>
      <label>${t("web.card.role")}<select class="field" value=${note.role ?? "system"} onChange=${(/** @type {any} */ event) => change({ role: event.target.value })}>${ROLES.map((role) => html`<option key=${role} value=${role}>${t(`web.card.role_${role}`)}</option>`)}</select></label>
    </div>
  </fieldset>`;
}

/** The note that Fabula keeps for the character, beside the card. @param {{id: string}} props */
function OwnNote({ id }) {
  const [note, setNote] = useState(/** @type {{text: string, place: string} | null} */ (null));
  const path = `/characters/${encodeURIComponent(id)}/note`;
  const latest = useRef(note); // each change is of the note with those before it
  const inLine = useRef(newLine());
  const take = (/** @type {{text: string, place: string}} */ next) => setNote((latest.current = next));
  useEffect(() => {
    let current = true;
    api.get(path).then((got) => current && take(got), tellError);
    return () => void (current = false);
  }, [id]);
  if (!note) return null;
  const put = (/** @type {Partial<{text: string, place: string}>} */ values) => {
    const next = { ...note, ...latest.current, ...values };
    take(next);
    return inLine.current(() => api.put(path, next)).catch(tellError);
  };
  return html`<fieldset class="block card-field">
    <legend class="label">${t("web.card.fields.note")}</legend>
    <textarea class="field card-text" rows="2" aria-label=${t("web.card.fields.note")} defaultValue=${note.text} onChange=${(/** @type {any} */ event) => put({ text: event.target.value })}></textarea>
    <label>${t("web.card.note_place")}<select class="field" value=${note.place} onChange=${(/** @type {any} */ event) => put({ place: event.target.value })}>
      ${["replace", "before", "after"].map((place) => html`<option key=${place} value=${place}>${t(`web.card.note_${place}`)}</option>`)}
    </select></label>
    <small class="quiet">${t("web.card.note_about")}</small>
  </fieldset>`;
}

function Talkativeness() {
  const found = Number(dataNow().extensions?.talkativeness ?? 0.5);
  const value = Number.isFinite(found) ? found : 0.5;
  return html`<label class="block card-field"><span class="label">${t("web.card.fields.talkativeness")}</span>
    <input type="range" min="0" max="1" step="0.05" value=${value} onInput=${(/** @type {any} */ event) => editExtensions({ talkativeness: Number(event.target.value) })} />
    <small class="quiet">${t("web.card.talkativeness_about", { value: Math.round(value * 100) })}</small></label>`;
}

/** @param {string} text */
const listed = (text) => [...new Set(text.split(/[,，、]/).map((one) => one.trim()).filter(Boolean))];

function Tags() {
  const tags = /** @type {string[]} */ (dataNow().tags ?? []);
  return html`<label class="block card-field"><span class="label">${t("web.card.fields.tags")}</span>
    <input class="field" list="card-known-tags" defaultValue=${tags.join(", ")} onChange=${(/** @type {any} */ event) => edit({ tags: listed(event.target.value) })} />
    <datalist id="card-known-tags">${Object.keys(drawers.value.tags).slice(0, 300).map((tag) => html`<option key=${tag} value=${tag}></option>`)}</datalist>
    <small class="quiet">${t("web.card.tags_about")}</small></label>`;
}

function Source() {
  const source = dataNow().source;
  const list = Array.isArray(source) ? source.filter((one) => typeof one === "string") : [];
  if (!list.length) return null;
  return html`<div class="block card-field"><span class="label">${t("web.card.fields.source")}</span><ul>${list.map((one) => html`<li class="path">${one}</li>`)}</ul></div>`;
}

/** The lorebook inside the card can be made one of one's own, which is edited. @param {{now: WholeCharacter}} props */
function Book({ now }) {
  const book = dataNow().character_book;
  const count = Array.isArray(book?.entries) ? book.entries.length : 0;
  if (!count) return html`<p class="quiet">${t("web.card.no_book")} <a href="#/lore">${t("web.characters.lore")}</a></p>`;
  const take = async () => {
    await save();
    const content = new Blob([JSON.stringify({ spec: "lorebook_v3", data: dataNow().character_book })]);
    const name = book.name || now.name;
    try {
      const made = await api.upload(`/lorebooks/import?name=${encodeURIComponent(`${name}.json`)}`, content);
      await api.patch(`/lorebooks/${made.id}`, { revision: made.revision, links: { everywhere: false, characters: [now.id], personas: [] } });
      edit({ character_book: null });
      await save();
      tell(t("web.card.book_taken", { name: made.name }), { action: { label: t("web.card.book_open"), run: () => (location.hash = `#/lore/${encodeURIComponent(made.id)}`) } });
    } catch (error) {
      tellError(error);
    }
  };
  return html`<div class="block card-field"><span class="label">${t("web.card.book", { count })}</span>
    <ul class="card-book">${book.entries.slice(0, 50).map((/** @type {any} */ entry, /** @type {number} */ at) => html`<li key=${at} class=${entry.enabled === false ? "quiet" : ""}>${entry.comment || entry.name || (entry.keys ?? []).join(", ")}</li>`)}</ul>
    <${Press} class="button" onClick=${take}><${Icon} name="lore" />${t("web.card.book_take")}<//>
    <small class="quiet">${t("web.card.book_about")}</small></div>`;
}

function Assets() {
  const assets = dataNow().assets;
  const list = Array.isArray(assets) ? assets.filter((one) => one && typeof one === "object") : [];
  if (!list.length) return null;
  return html`<div class="block card-field"><span class="label">${t("web.card.fields.assets")}</span>
    <ul>${list.map((/** @type {any} */ one, at) => html`<li key=${at}>${one.type} · ${one.name}.${one.ext} <code class="path">${String(one.uri).slice(0, 120)}</code></li>`)}</ul>
    <small class="quiet">${t("web.card.assets_about")}</small></div>`;
}

/** Everything else that the card says, as it is. */
function Rest() {
  const data = character.value?.card.data ?? {};
  pending.value; // extensions may be on their way
  const rest = Object.fromEntries(Object.entries({ ...data, extensions: dataNow().extensions }).filter(([name, value]) => !KNOWN.has(name) && name !== "assets" && value !== undefined));
  const { data: _, ...beside } = /** @type {any} */ (character.value?.card ?? {});
  const shown = JSON.stringify({ ...rest, ...(Object.keys(beside).length ? { "…": beside } : {}) }, null, 1);
  return html`<details class="card-rest"><summary>${t("web.card.rest")}</summary><p class="quiet">${t("web.card.rest_about")}</p><pre tabindex="0">${shown}</pre></details>`;
}
