// What can be done in the open chat by key and from the palette. Knows the open chat and its turn.
// @ts-check
import { offer } from "../state/actions.js";
import { chat, redo, toEnd, toStart, undo } from "../state/chat.js";
import { busy, stop } from "../state/turn.js";
import { t } from "../texts.js";

const focusComposer = () => document.getElementById("composer")?.focus();

offer("chat", () => {
  const now = chat.value;
  if (!now) return [];
  return [
    { id: "stop", words: t("web.composer.stop"), icon: "stop", keys: "Escape", typing: true, off: !busy.value, run: stop },
    { id: "compose", words: t("web.keys.compose"), keys: "/", hidden: true, run: focusComposer },
    { id: "undo", words: t("web.keys.undo"), icon: "undo", keys: "Ctrl-z", off: !now.can_undo || busy.value, run: undo },
    { id: "redo", words: t("web.keys.redo"), icon: "redo", keys: ["Ctrl-y", "Ctrl-Shift-z"], off: !now.can_redo || busy.value, run: redo },
    { id: "start", words: t("web.keys.start"), keys: "Ctrl-Home", run: toStart },
    { id: "end", words: t("web.keys.end"), keys: "Ctrl-End", run: toEnd },
  ];
});
