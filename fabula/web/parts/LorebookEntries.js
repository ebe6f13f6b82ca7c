// One lorebook: its entries at the left, the one that is looked at, and what a message would bring in. Knows no field.
// @ts-check
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { book, changeBook, entries, failure, looked, openBook } from "../state/lorebook.js";
import { loadPersonas, personas } from "../state/story.js";
import { t } from "../texts.js";
import { Linked, Picker } from "./characters/Picker.js";
import { html } from "./html.js";
import { Tick } from "./Kept.js";
import { EntryForm } from "./lore/EntryForm.js";
import { EntryList } from "./lore/EntryList.js";
import { Tester } from "./lore/Tester.js";
import { Trouble } from "./Trouble.js";

/** @import { Lorebook } from "../types.d.ts" */

/** What is looked at on narrow screens, where there is room for one. */
export const side = signal(/** @type {"list" | "entry" | "test"} */ ("list"));

/** @param {{id: string}} props */
export function LorebookEntries({ id }) {
  useEffect(() => void openBook(id), [id]);
  const now = book.value;
  if (failure.value) return html`<main class="page" id="main"><${Back} /><${Trouble} error=${failure.value} retry=${() => openBook(id)} /></main>`;
  if (now?.id !== id) return html`<main class="page" id="main"><${Back} /><p class="quiet">${t("web.loading")}</p></main>`;
  const entry = entries.value.find((one) => String(one.uid) === looked.value);
  return html`<main class="lore-page" id="main" data-side=${side.value}>
    <header class="lore-head"><${Back} /><${Name} now=${now} /><${Where} now=${now} /></header>
    <div class="lore-sides" role="tablist" aria-label=${t("web.lore.sides")}>
      ${["list", "entry", "test"].map((name) => html`<button key=${name} type="button" role="tab" class="button toggle" aria-selected=${side.value === name} onClick=${() => (side.value = /** @type {any} */ (name))}>${t(`web.lore.side_${name}`)}</button>`)}
    </div>
    <${EntryList} open=${() => (side.value = "entry")} />
    <section class="lore-entry-side" aria-label=${t("web.lore.side_entry")}>
      ${entry ? html`<${EntryForm} key=${entry.uid} entry=${entry} />` : html`<p class="quiet">${t("web.lore.no_entries")}</p>`}
    </section>
    <${Tester} id=${id} open=${() => (side.value = "entry")} />
  </main>`;
}

const Back = () => html`<a class="lore-back" href="#/lore">${t("web.lore.back")}</a>`;

/** @param {{now: Lorebook}} props */
function Name({ now }) {
  const rename = (/** @type {any} */ event) => event.target.value.trim() && changeBook(() => ({ name: event.target.value.trim() }));
  return html`<h1 class="sr-only">${now.name}</h1><input class="field lore-name" maxlength="200" aria-label=${t("web.lore.book_name")} key=${now.id} defaultValue=${now.name} onChange=${rename} />`;
}

/** Where it holds: in every story, or with some characters or personas. @param {{now: Lorebook}} props */
function Where({ now }) {
  const { links } = now;
  useEffect(() => void (personas.value || loadPersonas()), []);
  const link = (/** @type {(links: Lorebook["links"]) => Partial<Lorebook["links"]>} */ values) => changeBook(({ links: now }) => ({ links: { ...now, ...values(now) } }));
  const without = (/** @type {string[]} */ ids, /** @type {string} */ id) => ids.filter((other) => other !== id);
  const { everywhere, characters } = links;
  const known = personas.value ?? [];
  const add = (/** @type {any} */ event) => {
    const id = event.target.value;
    if (id) link(({ personas }) => ({ personas: [...without(personas, id), id] }));
    event.target.value = "";
  };
  return html`<div class="row lore-where">
    <label class="check"><${Tick} value=${everywhere} save=${(/** @type {boolean} */ on) => link(() => ({ everywhere: on }))} /><span>${t("web.lore.everywhere")}</span></label>
    ${characters.map((id) => html`<${Linked} key=${id} id=${id} end=${() => link((now) => ({ characters: without(now.characters, id) }))} />`)}
    ${known.filter(({ id }) => links.personas.includes(id)).map(({ id, name }) => html`<button key=${id} type="button" class="chip" aria-label=${t("web.lore.unlink", { name })} onClick=${() => link((now) => ({ personas: without(now.personas, id) }))}>${name} ×</button>`)}
    <${Picker} label=${t("web.lore.link")} but=${characters} pick=${(/** @type {{id: string}} */ { id }) => link((now) => ({ characters: [...without(now.characters, id), id] }))} />
    ${(known.length > 0 || !personas.value) && html`<select class="field" aria-label=${t("web.lore.link_persona")} onChange=${add}><option value="">${t("web.lore.link_persona")}</option>${known.filter(({ id }) => !links.personas.includes(id)).map(({ id, name }) => html`<option key=${id} value=${id}>${name}</option>`)}</select>`}
  </div>`;
}
