// All chats, newest first: a sidebar where there is room, a drawer on phones. Knows the list, not the open chat.
// @ts-check
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { chats, deleteChat, failure, found, hasMore, loadChats, loadMore, newChat, rename, search, searchFor, titleOf } from "../state/chats.js";
import { route } from "../state/route.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { Icon, IconButton } from "./Icon.js";
import { Menu } from "./Menu.js";
import { Trouble } from "./Trouble.js";
import { when } from "./words.js";

/** @import { ListedChat } from "../types.d.ts" */

export const drawerOpen = signal(false);
export const openDrawer = () => (drawerOpen.value = true);
export const closeDrawer = () => (drawerOpen.value = false);

export function ChatList() {
  return html`<nav class="chats" aria-label=${t("web.chats.label")}>
    <div class="chats-head">
      <h2>${t("web.nav.chats")}</h2>
      <button type="button" class="button" onClick=${() => (closeDrawer(), newChat())}><${Icon} name="plus" />${t("web.chats.new")}</button>
      <${IconButton} icon="close" class="only-narrow" label=${t("web.close")} onClick=${closeDrawer} />
    </div>
    <label class="search"><${Icon} name="search" /><input
        type="search"
        class="field"
        placeholder=${t("web.chats.search")}
        aria-label=${t("web.chats.search")}
        value=${search.value}
        onInput=${(/** @type {any} */ event) => searchFor(event.target.value)}
    /></label>
    <${Rows} />
  </nav>`;
}

function Rows() {
  if (failure.value && !chats.value) return html`<${Trouble} error=${failure.value} retry=${loadChats} />`;
  if (!chats.value) return html`<p class="quiet chats-note">${t("web.loading")}</p>`;
  if (!found.value.length) return html`<p class="quiet chats-note">${t(search.value ? "web.chats.none_found" : "web.chats.none")}</p>`;
  return html`<ul class="chats-rows">
    ${found.value.map((chat) => html`<${Row} key=${chat.id} chat=${chat} />`)}
    ${hasMore.value && html`<li><button type="button" class="button button-quiet" onClick=${loadMore}>${t("web.chats.older")}</button></li>`}
  </ul>`;
}

/** @param {{chat: ListedChat}} props */
function Row({ chat }) {
  const [renaming, setRenaming] = useState(false);
  const [near, setNear] = useState(false);
  const current = route.value.id === chat.id;
  if (renaming) return html`<li><${Rename} chat=${chat} done=${() => setRenaming(false)} /></li>`;
  const items = [
    { icon: "edit", label: t("web.chats.rename"), run: () => setRenaming(true) },
    { icon: "trash", label: t("web.chats.delete"), run: () => deleteChat(chat) },
  ];
  const show = () => setNear(true);
  return html`<li class="chats-row" onPointerEnter=${show} onFocusIn=${show}>
    <a href=${`#/chat/${encodeURIComponent(chat.id)}`} aria-current=${current ? "page" : undefined} onClick=${closeDrawer}>
      <span class="chats-title">${titleOf(chat)}</span><time class="quiet">${when(chat.updated_at)}</time>
    </a>
    ${(near || current) && html`<${Menu} label=${t("web.chats.menu", { title: titleOf(chat) })} items=${items}><${Icon} name="more" /><//>`}
  </li>`;
}

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
    ref=${(/** @type {HTMLInputElement | null} */ input) => input?.select()}
    onBlur=${save}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter" && !event.isComposing) save(event);
      if (event.key === "Escape") done();
    }}
  />`;
}
