// All chats, newest first, or those that are looked for: a sidebar where there is room, a drawer on phones. Knows the
// list, not the open chat.
// @ts-check
import { signal } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import { chats, deleteChat, failure, hasMore, loadChats, loadMore, newChat, rename, titleOf } from "../state/chats.js";
import * as keeping from "../state/keeping.js";
import { sidebarOpen } from "../state/prefs.js";
import { route } from "../state/route.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { Icon, IconButton } from "./Icon.js";
import { later } from "./later.js";
import { Menu } from "./Menu.js";
import { Trouble } from "./Trouble.js";
import { when } from "./words.js";

/** @import { Hit, ListedChat } from "../types.d.ts" */

export const drawerOpen = signal(false);
export const openDrawer = () => (drawerOpen.value = true);
export const closeDrawer = () => (drawerOpen.value = false);

/** What is asked about in a dialog: marks of some chats, files to take in. */
export const marking = signal(/** @type {{ids: string[], chat?: ListedChat} | null} */ (null));
export const asksForFiles = signal(false);
const filterOpen = signal(false);

const nothing = () => null;
const Filters = later(() => import("./chat/Filters.js"), "Filters", "keeping.css", nothing);
const Chosen = later(() => import("./chat/Chosen.js"), "Chosen", "keeping.css", nothing);
const Marking = later(() => import("./chat/Marking.js"), "Marking", "keeping.css", nothing);
const Importing = later(() => import("./chat/Importing.js"), "Importing", "keeping.css", nothing);
const Hits = later(() => import("./chat/Hits.js"), "Hits", "keeping.css", nothing);

const narrow = matchMedia("(max-width: 720px)"); // as in the style sheet: there it is a drawer beside an open chat
const isNarrow = signal(narrow.matches);
narrow.addEventListener("change", () => (isNarrow.value = narrow.matches));

export function ChatList() {
  const seen = useRef(false); // what nobody has looked at is not drawn; what slides away still is
  seen.current ||= isNarrow.value ? drawerOpen.value || !route.value.id : sidebarOpen.value === "yes";
  return html`<nav class="chats" aria-label=${t("web.chats.label")}>
    ${seen.current && html`<${Inside} />`}
    ${marking.value && html`<${Marking} />`}
    ${asksForFiles.value && html`<${Importing} />`}
  </nav>`;
}

/** Who has begun writes next, also where the new chat is the one that was open. @param {MouseEvent} event */
async function begin({ currentTarget: button }) {
  closeDrawer();
  await newChat();
  if (document.activeElement === button && matchMedia("(hover: hover)").matches) document.getElementById("composer")?.focus();
}

function Inside() {
  return html`<div class="chats-head">
      <h2>${t("web.nav.chats")}</h2>
      <button type="button" class="button" onClick=${begin}><${Icon} name="plus" />${t("web.chats.new")}</button>
      <${Menu} label=${t("web.keep.menu")} items=${menu()}><${Icon} name="more" /><//>
      <${IconButton} icon="close" class="only-narrow" label=${t("web.close")} onClick=${closeDrawer} />
    </div>
    <div class="chats-find">
      <label class="search"><${Icon} name="search" /><input
          type="search"
          class="field"
          placeholder=${t("web.keep.search_all")}
          aria-label=${t("web.keep.search")}
          value=${keeping.words.value}
          onInput=${(/** @type {any} */ event) => (keeping.words.value = event.target.value)}
      /></label>
      <${IconButton} icon="filter" label=${t("web.keep.filters")} aria-expanded=${filterOpen.value} aria-pressed=${keeping.isFiltered.value} onClick=${() => (filterOpen.value = !filterOpen.value)} />
    </div>
    ${filterOpen.value && html`<${Filters} />`}
    <${Rows} />
    ${keeping.chosen.value && html`<${Chosen} />`}`;
}

const menu = () => [
  { icon: "check", label: t("web.keep.several"), run: () => (keeping.chosen.value = new Set()) },
  { icon: "get", label: t("web.import.open"), run: () => (asksForFiles.value = true) },
  { icon: "trash", label: t("web.keep.trash"), run: openTrash },
];

function openTrash() {
  filterOpen.value = true;
  keeping.filter.value = { ...keeping.NO_FILTER, trashed: true };
}

function Rows() {
  const list = keeping.listed.value;
  const found = keeping.results.value;
  const problem = keeping.isSearching.value ? keeping.failure.value : failure.value;
  if (problem && !list.length) return html`<${Trouble} error=${problem} retry=${keeping.isSearching.value ? keeping.ask : loadChats} />`;
  if (!(keeping.isSearching.value ? found : chats.value)) return html`<p class="quiet chats-note">${t("web.loading")}</p>`;
  return html`<div class="chats-rows">
    ${!list.length && !found?.hits.length && html`<p class="quiet chats-note">${t(emptyWords())}</p>`}
    ${found && list.length > 0 && html`<h3 class="chats-kind">${t("web.keep.found_chats", { count: found.total })}</h3>`}
    <ul>
      ${list.map((chat) => html`<${Row} key=${chat.id} chat=${chat} />`)}
      ${!found && hasMore.value && html`<li><button type="button" class="button button-quiet" onClick=${loadMore}>${t("web.chats.older")}</button></li>`}
      ${found && found.total > list.length && !keeping.filter.value.since && !keeping.filter.value.until && html`<li><button type="button" class="button button-quiet" onClick=${keeping.moreChats}>${t("web.keep.more")}</button></li>`}
    </ul>
    ${found && found.hits.length > 0 && html`<${Hits} />`}
  </div>`;
}

function emptyWords() {
  if (keeping.filter.value.trashed) return "web.keep.trash_empty";
  return keeping.isSearching.value ? "web.keep.none_found" : "web.chats.none";
}

/** @param {{chat: ListedChat}} props */
function Row({ chat }) {
  const [renaming, setRenaming] = useState(false);
  const [near, setNear] = useState(() => matchMedia("(hover: none)").matches);
  const current = route.value.id === chat.id;
  if (keeping.chosen.value) return html`<${Choice} chat=${chat} />`;
  if (renaming) return html`<li><${Rename} chat=${chat} done=${() => setRenaming(false)} /></li>`;
  const show = () => setNear(true);
  const { trashed } = keeping.filter.value;
  return html`<li class="chats-row" onPointerEnter=${show} onFocusIn=${show}>
    ${trashed
      ? html`<span class="chats-open"><${Words} chat=${chat} /></span>`
      : html`<a class="chats-open" href=${`#/chat/${encodeURIComponent(chat.id)}`} aria-current=${current ? "page" : undefined} onClick=${closeDrawer}><${Words} chat=${chat} /></a>`}
    ${(near || current || trashed) && html`<${Menu} label=${t("web.chats.menu", { title: titleOf(chat) })} items=${trashed ? trashMenu(chat) : rowMenu(chat, () => setRenaming(true))}><${Icon} name="more" /><//>`}
  </li>`;
}

/** @param {ListedChat} chat @param {() => void} startRename */
const rowMenu = (chat, startRename) => [
  { icon: "edit", label: t("web.chats.rename"), run: startRename },
  { icon: "star", label: t(chat.favourite ? "web.keep.unfavourite" : "web.keep.favourite"), run: () => keeping.mark([chat.id], { favourite: !chat.favourite }) },
  { icon: "folder", label: t("web.keep.mark"), run: () => (marking.value = { ids: [chat.id], chat }) },
  ...keeping.FORMATS.map((format) => ({ icon: "away", label: t(`web.keep.export_${format}`), run: () => saveFile(keeping.fileOf(chat.id, format)) })),
  { icon: "trash", label: t("web.chats.delete"), run: () => deleteChat(chat) },
];

/** @param {string} address */
function saveFile(address) {
  const link = document.createElement("a");
  link.href = address;
  link.download = "";
  link.click();
}

/** @param {ListedChat} chat */
const trashMenu = (chat) => [
  { icon: "undo", label: t("web.keep.restore"), run: () => keeping.bringBack(chat) },
  { icon: "trash", label: t("web.keep.erase"), note: t("web.keep.erase_about"), run: () => keeping.erase([chat.id]) },
];

/** @param {{chat: ListedChat}} props */
function Words({ chat }) {
  const marks = [chat.folder, ...(chat.tags ?? []).map((tag) => `#${tag}`)].filter(Boolean).join(" · ");
  return html`<span class="chats-title">${chat.favourite && html`<span class="chats-star" role="img" aria-label=${t("web.keep.is_favourite")}><${Icon} name="star" /></span>`}${titleOf(chat)}</span>
    <span class="chats-about quiet"><time>${when(chat.updated_at)}</time>${marks && html`<span class="chats-marks">${marks}</span>`}</span>`;
}

/** @param {{chat: ListedChat}} props */
function Choice({ chat }) {
  return html`<li class="chats-row"><label class="chats-open chats-choice">
    <input type="checkbox" checked=${keeping.chosen.value?.has(chat.id)} onChange=${() => keeping.choose(chat.id)} />
    <span class="chats-choice-words"><${Words} chat=${chat} /></span>
  </label></li>`;
}

/** Once, when it appears: a function of its own for each drawing would be called at each. @param {HTMLInputElement | null} input */
const selectAll = (input) => input?.select();

/** @param {{chat: ListedChat, done: () => void}} props */
function Rename({ chat, done }) {
  const save = (/** @type {any} */ event) => {
    if (event.target.value.trim() !== chat.title) rename(chat, event.target.value.trim());
    done();
  };
  return html`<input
    class="field"
    aria-label=${t("web.chats.title")}
    defaultValue=${chat.title || titleOf(chat)}
    ref=${selectAll}
    onBlur=${save}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter" && !event.isComposing) save(event);
      if (event.key === "Escape") done();
    }}
  />`;
}
