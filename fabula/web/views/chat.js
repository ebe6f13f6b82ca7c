// The chat room: the list of chats, one chat in the middle, its inspector.
// @ts-check
import { useLayoutEffect } from "preact/hooks";
import "../parts/chatActions.js";
import { ChatHeader } from "../parts/ChatHeader.js";
import { ChatList, closeDrawer, drawerOpen } from "../parts/ChatList.js";
import { ChatPanel } from "../parts/ChatPanel.js";
import { Composer } from "../parts/Composer.js";
import { ElsewhereNamed } from "../parts/Elsewhere.js";
import { MessageList } from "../parts/MessageList.js";
import { Trouble } from "../parts/Trouble.js";
import { naming, translating, versionsOf, weighing } from "../parts/Actions.js";
import { Dropping } from "../parts/chat/Dropping.js";
import { comparing } from "../parts/chat/comparing.js";
import { html } from "../parts/html.js";
import { ComingDialog, later } from "../parts/later.js";
import { chat, close, failure, goTo, open, page } from "../state/chat.js";
import { newChat } from "../state/chats.js";
import "../state/elsewhere.js";
import { panelOpen, sidebarOpen } from "../state/prefs.js";
import { route } from "../state/route.js";
import { closeSide, side } from "../state/sides.js";
import { models, usable } from "../state/system.js";
import { announcement, busy, failure as turnFailure } from "../state/turn.js";
import { t } from "../texts.js";

const nothing = () => null;
const Side = later(() => import("../parts/chat/Side.js"), "Side", undefined, nothing);
const Compare = later(() => import("../parts/chat/Compare.js"), "Compare", "tree.css", nothing);
const Translating = later(() => import("../parts/chat/Translating.js"), "Translating", undefined, nothing);
const Chances = later(() => import("../parts/chat/Chances.js"), "Chances", "chances.css", nothing);
const QuickReplies = later(() => import("../parts/chat/QuickReplies.js"), "QuickReplies", undefined, nothing);
const Naming = later(() => import("../parts/chat/Naming.js"), "Naming", undefined, ComingDialog);
const Versions = later(() => import("../parts/Versions.js"), "Versions", undefined, nothing);

const { view, id: named } = route.value;
/** The chat that the address names is read while the page is being put together. @type {Promise<unknown>} */
ChatView.ready = view === "chat" && named ? open(named) : Promise.resolve();

/** `rest` is a message to go to. @param {{id: string, rest?: string}} props */
export function ChatView({ id, rest = "" }) {
  // With the drawing, not after it: keys and buttons are no longer those of the chat that was left.
  useLayoutEffect(() => {
    let here = true;
    if (id) open(id).then(() => void (here && rest && goTo(rest)));
    else close();
    return () => ((here = false), close());
  }, [id, rest]);
  const shape = ["chat-view", sidebarOpen.value === "yes" ? "with-sidebar" : "", id ? "with-chat" : "", drawerOpen.value ? "with-drawer" : ""];
  return html`<div class=${shape.join(" ")}>
    <${ChatList} />
    <div class="drawer-shade" onClick=${closeDrawer}></div>
    <main class="chat" id="main">
      ${id ? html`<${ChatHeader} /><${Body} key=${id} id=${id} />` : html`<${NoChat} />`}
    </main>
    ${id && html`<${ChatPanel} />`}
    ${id && chat.value && side.value && html`<${Side} />`}
    ${id && (panelOpen.value === "yes" || side.value) && html`<div class="panel-shade" onClick=${closeRight}></div>`}
    <${Dropping} />
    ${comparing.value && html`<${Compare} />`}
    ${weighing.value && html`<${Chances} />`}
    ${translating.value && html`<${Translating} />`}
    ${naming.value && html`<${Naming} />`}
    ${versionsOf.value && html`<${Versions} />`}
    <div class="sr-only" aria-live="polite">${announcement.value}</div>
  </div>`;
}

function closeRight() {
  panelOpen.value = "no";
  closeSide();
}

function NoChat() {
  return html`<div class="empty">
    <p>${t("web.chat.none_open")}</p>
    <button type="button" class="button button-main" disabled=${!usable.value.length} onClick=${() => newChat()}>${t("web.chats.new")}</button>
    ${models.value && !usable.value.length && html`<p><a href="#/">${t("web.chat.no_models")}</a></p>`}
  </div>`;
}

/** One writes before the chat is read. @param {{id: string}} props */
function Body({ id }) {
  if (failure.value) return html`<div class="empty"><${Trouble} error=${failure.value} retry=${() => open(id)} /></div>`;
  const now = chat.value?.id === id ? chat.value : null;
  const noModel = Boolean(models.value && !usable.value.length);
  return html`
    ${now ? html`<${Messages} key="messages" />` : html`<div class="empty" key="coming"><p class="quiet">${t("web.loading")}</p></div>`}
    <div class="composer-frame" key="composer"><div class="composer-column">
      ${noModel && html`<p class="notice"><a href="#/">${t("web.chat.no_models")}</a></p>`}
      ${now && html`<${QuickReplies} key="replies" disabled=${noModel} /><${ElsewhereNamed} key="elsewhere" name=${now.model} />`}
      <${Composer} key="text" chatId=${id} disabled=${noModel} />
    </div></div>
  `;
}

function Messages() {
  const isEmpty = page.value.messages.length === 0 && !busy.value;
  return html`<${MessageList}>
    ${isEmpty && html`<p class="opening">${t("web.chat.empty")}</p>`}
    ${turnFailure.value && html`<${Trouble} error=${turnFailure.value} retry=${turnFailure.value.retry} />`}
  <//>`;
}
