// What can be done in the open chat by key and from the palette. Knows the open chat and its turn.
// @ts-check
import { offer } from "../state/actions.js";
import { changeChat, chat, page, redo, toEnd, toStart, undo } from "../state/chat.js";
import { deleteChat } from "../state/chats.js";
import { lastModel, panelOpen, sidebarOpen } from "../state/prefs.js";
import { usable } from "../state/system.js";
import { busy, lengthen, regenerate, stop } from "../state/turn.js";
import { openSide } from "../state/sides.js";
import { t } from "../texts.js";
import { inspect } from "./ChatHeader.js";
import { asksForFiles } from "./ChatList.js";

if (matchMedia("(pointer: coarse)").matches) import("./gestures.js").catch(() => null);

const focusComposer = () => document.getElementById("composer")?.focus();
/** @param {typeof panelOpen} kept */
const toggle = (kept) => (kept.value = kept.value === "yes" ? "no" : "yes");

/** The last message, where it is a reply. */
const reply = () => (page.value.messages.at(-1)?.role === "assistant" ? page.value.messages.at(-1) : undefined);

const SIDES = /** @type {const} */ ([["map", "map"], ["context", "ruler"], ["memory", "memory"], ["replies", "send"]]);

offer("chat", () => {
  const now = chat.value;
  const last = reply();
  const still = !now || busy.value;
  return [
    { id: "stop", words: t("web.keys.stop"), icon: "stop", keys: "Escape", typing: true, off: !busy.value, run: stop },
    { id: "compose", words: t("web.keys.compose"), keys: "/", off: !now, run: focusComposer },
    { id: "regenerate", words: t("web.message.regenerate"), icon: "retry", off: still || !last, run: () => last && regenerate(last) },
    { id: "continue", words: t("web.message.continue"), icon: "lengthen", off: still || !last, run: () => last && lengthen(last) },
    { id: "undo", words: t("web.keys.undo"), icon: "undo", keys: "Ctrl-z", off: still || !now?.can_undo, run: undo },
    { id: "redo", words: t("web.keys.redo"), icon: "redo", keys: ["Ctrl-y", "Ctrl-Shift-z"], off: still || !now?.can_redo, run: redo },
    { id: "start", words: t("web.keys.start"), keys: "Ctrl-Home", off: !now, run: toStart },
    { id: "end", words: t("web.keys.end"), keys: "Ctrl-End", off: !now, run: toEnd },
    { id: "panel", words: t("web.panel.toggle"), icon: "sliders", off: !now, run: () => toggle(panelOpen) },
    ...SIDES.map(([name, icon]) => ({ id: `side ${name}`, words: t(`web.side.${name}`), icon, off: !now || !now.message_count, run: () => openSide(name) })),
    { id: "inspect", words: t("web.prompt.open"), icon: "ruler", off: still || !now?.message_count, run: () => inspect() },
    { id: "take in", words: t("web.import.open"), icon: "get", run: () => (asksForFiles.value = true) },
    { id: "sidebar", words: t("web.chats.toggle"), icon: "sidebar", off: !now, run: () => toggle(sidebarOpen) },
    { id: "delete chat", words: t("web.chats.delete"), icon: "trash", off: still, run: () => now && deleteChat(now) },
    ...usable.value.map(({ name }) => ({ id: `use ${name}`, words: t("web.palette.use", { model: name }), name, icon: "models", off: still || now?.model === name, run: () => use(name) })),
  ];
});

/** @param {string} name */
function use(name) {
  lastModel.value = name;
  changeChat(() => ({ model: name }));
}
