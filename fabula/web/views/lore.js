// Lorebooks and personas: take them from files, say where they hold, edit their entries. Knows no file format.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api.js";
import { Icon } from "../parts/Icon.js";
import { Menu } from "../parts/Menu.js";
import { html } from "../parts/html.js";
import { LorebookEntries } from "../parts/LorebookEntries.js";
import { Personas } from "../parts/Personas.js";
import { loadLorebooks, lorebooks } from "../state/story.js";
import { tell, tellError } from "../state/toasts.js";
import { t } from "../texts.js";

/** @import { Lorebook } from "../types.d.ts" */

/** @param {{id: string}} props */
export function Lore({ id }) {
  useEffect(() => void loadLorebooks(), []);
  if (id) return html`<main class="page" id="main"><${LorebookEntries} key=${id} id=${id} /></main>`;
  return html`<main class="page" id="main">
    <h1>${t("web.nav.lore")}</h1>
    <p class="lead">${t("web.lore.about")}</p>
    <h2>${t("web.lore.books")}</h2>
    <${Tools} />
    <${List} />
    <${Personas} />
  </main>`;
}

function Tools() {
  const files = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [name, setName] = useState("");
  const chosen = async (/** @type {any} */ event) => {
    for (const file of [...event.target.files]) await take(file);
    event.target.value = "";
  };
  const make = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!name.trim()) return;
    await api.post("/lorebooks", { name }).then(() => setName(""), tellError);
    await loadLorebooks();
  };
  return html`<form class="lore-tools" onSubmit=${make}>
    <button type="button" class="button" onClick=${() => files.current?.click()}><${Icon} name="get" />${t("web.lore.import")}</button>
    <input ref=${files} type="file" multiple hidden accept=".json,.lorebook" onChange=${chosen} />
    <input class="field" maxlength="200" aria-label=${t("web.lore.name")} placeholder=${t("web.lore.name")} value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} />
    <button type="submit" class="button" disabled=${!name.trim()}><${Icon} name="plus" />${t("web.lore.make")}</button>
  </form>`;
}

/** @param {File} file */
async function take(file) {
  try {
    const book = await api.upload(`/lorebooks/import?name=${encodeURIComponent(file.name)}`, file);
    tell(t("web.lore.imported", { name: book.name, count: book.size }));
  } catch (error) {
    tellError(error);
  }
  await loadLorebooks();
}

function List() {
  const list = lorebooks.value;
  if (!list) return html`<p class="quiet">${t("web.loading")}</p>`;
  if (!list.length) return html`<p class="quiet">${t("web.lore.none")}</p>`;
  return html`<ul class="lore-rows">${list.map((book) => html`<${Row} key=${book.id} book=${book} />`)}</ul>`;
}

/** @param {{book: Lorebook}} props */
function Row({ book }) {
  const { id, name, size, revision, links } = book;
  const change = (/** @type {Promise<any>} */ answer) => answer.catch(tellError).then(loadLorebooks);
  const everywhere = () => change(api.patch(`/lorebooks/${id}`, { revision, links: { ...links, everywhere: !links.everywhere } }));
  const items = [{ icon: "trash", label: t("web.lore.delete"), run: () => change(api.remove(`/lorebooks/${id}`)) }];
  return html`<li class="lore-row">
    <a href=${`#/lore/${encodeURIComponent(id)}`}>${name}</a>
    <span class="quiet">${t("web.lore.count", { count: size })}</span>
    <label class="check"><input type="checkbox" checked=${links.everywhere} onChange=${everywhere} /><span>${t("web.lore.everywhere")}</span></label>
    <${Menu} label=${t("web.lore.menu", { name })} items=${items}><${Icon} name="more" /><//>
  </li>`;
}
