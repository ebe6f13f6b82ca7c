// Above a chat: title, model (beside it, on phones under it), panel, menu. Knows the open chat.
// @ts-check
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { changeChat, chat, redo, toEnd, toStart, undo } from "../state/chat.js";
import { chats, deleteChat, titleOf } from "../state/chats.js";
import { lastModel, panelOpen, sidebarOpen } from "../state/prefs.js";
import { openSide, side, toggleSide } from "../state/sides.js";
import { models } from "../state/system.js";
import { busy } from "../state/turn.js";
import { t } from "../texts.js";
import { openDrawer } from "./ChatList.js";
import { html } from "./html.js";
import { Icon, IconButton } from "./Icon.js";
import { Menu } from "./Menu.js";
import { useKept } from "./useKept.js";
import { modelNote } from "./words.js";

/** @import { Chat } from "../types.d.ts" */

/** The view of the prompt while it is open; its code comes then. */
const inspector = signal(/** @type {{is: any, part: number} | null} */ (null));
/** @param {number} [part] the row to look at */
export const inspect = (part = -1) => import("./PromptInspector.js").then(({ PromptInspector }) => (inspector.value = { is: PromptInspector, part }), () => null);
const closeInspector = () => (inspector.value = null);

export function ChatHeader() {
  const now = chat.value;
  if (!now) return html`<header class="chat-head"></header>`;
  return html`<header class="chat-head">
    <${IconButton} icon="sidebar" class="only-wide" label=${t("web.chats.toggle")} aria-expanded=${sidebarOpen.value === "yes"} onClick=${toggleSidebar} />
    <${IconButton} icon="sidebar" class="only-narrow" label=${t("web.chats.open")} onClick=${openDrawer} />
    <div class="chat-names"><${Title} key=${`t${now.id}`} now=${now} /><${ModelPicker} key=${`m${now.id}`} now=${now} /></div>
    <${IconButton} icon="map" label=${t("web.side.map")} aria-expanded=${side.value === "map"} disabled=${!now.message_count} onClick=${() => toggleSide("map")} />
    <${IconButton} icon="sliders" label=${t("web.panel.toggle")} aria-expanded=${panelOpen.value === "yes"} onClick=${togglePanel} />
    <${Menu} label=${t("web.more")} items=${menuOf(now)}><${Icon} name="more" /><//>
    ${inspector.value && html`<${inspector.value.is} id=${now.id} part=${inspector.value.part} close=${closeInspector} />`}
  </header>`;
}

const toggleSidebar = () => (sidebarOpen.value = sidebarOpen.value === "yes" ? "no" : "yes");
const togglePanel = () => (panelOpen.value = panelOpen.value === "yes" ? "no" : "yes");

/** @param {Chat} now */
function menuOf(now) {
  const off = busy.value;
  return [
    { icon: "undo", label: t("web.undo"), keys: "Ctrl Z", disabled: off || !now.can_undo, run: undo },
    { icon: "redo", label: t("web.redo"), keys: "Ctrl Y", disabled: off || !now.can_redo, run: redo },
    { icon: "ruler", label: t("web.side.context"), disabled: !now.message_count, run: () => openSide("context") },
    { icon: "memory", label: t("web.side.memory"), run: () => openSide("memory") },
    { icon: "send", label: t("web.side.replies"), run: () => openSide("replies") },
    { icon: "lore", label: t("web.prompt.open"), disabled: off || !now.message_count, run: () => inspect() },
    { label: t("web.chat.to_start"), keys: "Ctrl Home", run: toStart },
    { label: t("web.chat.to_end"), keys: "Ctrl End", run: toEnd },
    { icon: "trash", label: t("web.chats.delete"), disabled: off, run: () => deleteChat(now) },
  ];
}

/** @param {{now: Chat}} props */
function Title({ now }) {
  const [typed, setTyped] = useState(/** @type {string | null} */ (null));
  const [named, rename] = useKept(now.title, (title) => changeChat(() => ({ title })));
  const title = named || titleOf((chats.value ?? []).find((other) => other.id === now.id && !other.title) ?? { ...now, title: "" });
  const save = () => {
    if (typed !== null && typed.trim() !== now.title) rename(typed.trim());
    setTyped(null);
  };
  if (typed === null) {
    return html`<h1 class="chat-title"><button type="button" title=${t("web.chats.rename")} onClick=${() => setTyped(named)}>${title}</button></h1>`;
  }
  return html`<input
    class="field chat-title"
    aria-label=${t("web.chats.title")}
    value=${typed}
    placeholder=${title}
    ref=${(/** @type {HTMLInputElement | null} */ input) => input?.focus()}
    onInput=${(/** @type {any} */ event) => setTyped(event.target.value)}
    onBlur=${save}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter" && !event.isComposing) save();
      if (event.key === "Escape") setTyped(null);
    }}
  />`;
}

/** @param {{now: Chat}} props */
function ModelPicker({ now }) {
  const list = models.value ?? [];
  const [chosen, choose] = useKept(now.model, pick);
  const items = list.map((model) => ({
    label: model.name,
    note: model.problem || modelNote(model),
    checked: model.name === chosen,
    disabled: Boolean(model.problem),
    run: () => choose(model.name),
  }));
  const known = list.find((model) => model.name === chosen);
  const words = chosen || t("web.chat.pick_model");
  return html`<${Menu} label=${t("web.chat.model", { model: words })} items=${items} class="picker">
    <span class=${known || !chosen ? "" : "picker-missing"}>${words}</span><${Icon} name="down" />
  <//>`;
}

/** @param {string} name */
function pick(name) {
  lastModel.value = name;
  return changeChat(() => ({ model: name }));
}
