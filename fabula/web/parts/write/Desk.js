// The middle of the room: head, page, what the model is told under it; keys. Knows the open document.
// @ts-check
import { useEffect } from "preact/hooks";
import { offer } from "../../state/actions.js";
import { back, base, conflict, doc, failure, kind, open, resolve, state } from "../../state/manuscript.js";
import { announcement, busy, last, stop } from "../../state/passages.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { IconButton } from "../Icon.js";
import { Trouble } from "../Trouble.js";
import { Chances } from "./Chances.js";
import { add } from "./Chapters.js";
import { Compare } from "./Compare.js";
import { FindBar, openFind } from "./FindBar.js";
import { besideOpen, chancesShown, chaptersOpen, flip, marksShown, onlyText, setOnlyText } from "./looks.js";
import { focusPaper, Paper, scrolledByHand } from "./Paper.js";
import { again, other } from "./PassageBar.js";
import { WorkHead } from "./WorkHead.js";
import { goOn, WriteBar } from "./WriteBar.js";

/** @param {{id: string, title: string}} props the title is that of the chapter */
export function Desk({ id, title }) {
  useEffect(() => () => setOnlyText(false), []);
  return html`<main class="desk" id="main" onWheel=${scrolledByHand} onTouchMove=${scrolledByHand}>
    ${onlyText.value ? html`<${IconButton} icon="close" class="desk-leave" label=${t("web.write.leave_only_text")} onClick=${() => setOnlyText(false)} />` : html`<${WorkHead} id=${id} />`}
    <${FindBar} />
    ${failure.value ? html`<div class="empty"><${Trouble} error=${failure.value} retry=${() => open(kind.value, id, "")} /></div>` : html`<${Page} id=${id} title=${title} />`}
    <${Compare} />
    <div class="sr-only" aria-live="polite">${announcement.value}</div>
  </main>`;
}

/** @param {{id: string, title: string}} props */
function Page({ id, title }) {
  if (doc.value?.id !== id || !base.value) return html`<div class="empty"><p class="quiet">${t("web.loading")}</p></div>`;
  const chances = kind.value === "notebooks" && chancesShown.value === "yes";
  return html`
    ${conflict.value && html`<${Conflict} />`}
    ${title && !onlyText.value && html`<h2 class="desk-chapter">${title}</h2>`}
    ${chances ? html`<${Chances} />` : html`<${Paper} onKey=${keyDown} />`}
    ${!onlyText.value && html`<${WriteBar} />`}
  `;
}

/** Both are kept; one is shown. */
function Conflict() {
  return html`<div class="conflict" role="alert">
    <p>${t("web.write.conflict")}</p>
    <details><summary>${t("web.write.conflict_theirs")}</summary><div class="conflict-text">${conflict.value?.text}</div></details>
    <div class="row">
      <button type="button" class="button" onClick=${() => resolve("mine")}>${t("web.write.keep_mine")}</button>
      <button type="button" class="button" onClick=${() => resolve("theirs")}>${t("web.write.keep_theirs")}</button>
    </div>
  </div>`;
}

// ── keys ────────────────────────────────────────────────────────────────────────────────────────────

/** Undo is the studio's: it knows all that was done. Away from it, the browser's own is better than none. @param {KeyboardEvent} event */
function keyDown(event) {
  const isMain = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (event.isComposing || !isMain) return;
  if (event.key === "Enter") act(event, () => !busy.value && goOn());
  else if (key === "z" && state.value !== "away") act(event, () => back(event.shiftKey ? "redo" : "undo"));
  else if (key === "y" && state.value !== "away") act(event, () => back("redo"));
}

/** @param {KeyboardEvent} event @param {() => unknown} run */
function act(event, run) {
  event.preventDefault();
  event.stopPropagation();
  run();
}

/** Escape stops, else it leads back to the buttons. */
const escape = () => (busy.value ? stop() : onlyText.value ? setOnlyText(false) : null);

offer("write", () => {
  const now = doc.value;
  const off = busy.value || !now;
  const one = last.value;
  const isNovel = now?.kind === "novel";
  return [
    { id: "write stop", words: t("web.composer.stop"), icon: "stop", keys: "Escape", typing: true, off: !now || !(busy.value || onlyText.value), run: escape },
    { id: "write on", words: t("web.write.go_on"), keys: "Ctrl-Enter", off, run: () => goOn() },
    { id: "write again", words: t("web.write.retry"), icon: "retry", keys: "Alt-r", typing: true, off: off || !one, run: () => one && again(one) },
    { id: "write earlier", words: t("web.write.earlier"), icon: "left", keys: "Alt-,", typing: true, off: off || !one, run: () => one && other(one, -1) },
    { id: "write later", words: t("web.write.later"), icon: "right", keys: "Alt-.", typing: true, off: off || !one, run: () => one && other(one, 1) },
    { id: "write undo", words: t("web.undo"), icon: "undo", keys: "Ctrl-z", off: off || !now.can_undo, run: () => back("undo") },
    { id: "write redo", words: t("web.redo"), icon: "redo", keys: ["Ctrl-y", "Ctrl-Shift-z"], off: off || !now.can_redo, run: () => back("redo") },
    { id: "write find", words: t("web.write.find"), icon: "search", keys: "Ctrl-f", typing: true, off: !now, run: openFind },
    { id: "write text", words: t("web.write.to_text"), keys: "/", off: !now, run: focusPaper },
    { id: "write only", words: t("web.write.only_text"), keys: "Alt-t", typing: true, off: !now, run: () => setOnlyText(!onlyText.value) },
    { id: "write marks", words: t("web.write.marks"), off: !now, run: () => flip(marksShown) },
    { id: "write chances", words: t("web.write.chances"), icon: "chances", off: !now || isNovel, run: () => flip(chancesShown) },
    { id: "write chapters", words: t("web.write.chapters_toggle"), icon: "sidebar", off: !isNovel, run: () => flip(chaptersOpen) },
    { id: "write add", words: t("web.write.add_chapter"), icon: "plus", off: off || !isNovel, run: () => add() },
    { id: "write beside", words: t("web.write.beside"), icon: "sliders", off: !now, run: () => (besideOpen.value = besideOpen.value ? "" : isNovel ? "story" : "prompt") },
  ];
});
