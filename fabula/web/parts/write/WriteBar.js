// Under the page: what happens next, and the model goes on; of a selection: how it is to be. Knows the open document.
// @ts-check
import { computed, signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { chapter, doc, text } from "../../state/manuscript.js";
import { busy, failure, live, stop, write } from "../../state/passages.js";
import { enterSends } from "../../state/prefs.js";
import { models, usable } from "../../state/system.js";
import { t } from "../../texts.js";
import { ElsewhereNamed } from "../Elsewhere.js";
import { fitHeight } from "../fitHeight.js";
import { html } from "../html.js";
import { Icon } from "../Icon.js";
import { LiveStatus } from "../LiveStatus.js";
import { Menu } from "../Menu.js";
import { Trouble } from "../Trouble.js";
import { PassageBar } from "./PassageBar.js";
import { selection } from "./Paper.js";

const COUNTS = [1, 2, 3, 4, 6];

/** What happens next; kept until it was written. */
export const instruction = signal("");

/** What is selected is written anew; else the model goes on where the caret is. */
const chosen = computed(() => selection.value.end > selection.value.start && doc.value?.kind === "novel");

/** @param {"continue" | "rewrite" | "expand"} [kind] @param {number} [count] */
export async function goOn(kind = "continue", count = 1) {
  const { start, end } = selection.value;
  const told = instruction.value.trim();
  const at = kind === "continue" ? { start: end } : { start, end };
  await write({ kind, ...at, instruction: told, count });
  if (!failure.value && instruction.value.trim() === told) instruction.value = ""; // else the next wish is being typed
}

export function WriteBar() {
  const noModel = Boolean(models.value && !usable.value.length);
  return html`<div class="write-bar"><div class="write-bar-column">
    ${noModel && html`<p class="notice"><a href="#/models">${t("web.chat.no_models")}</a></p>`}
    ${failure.value && html`<${Trouble} error=${failure.value} retry=${failure.value.retry} />`}
    ${live.value ? html`<${LiveStatus} live=${live.value} />` : html`<${PassageBar} />`}
    <${ElsewhereNamed} name=${doc.value?.model ?? ""} />
    <form class="instruct" onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), goOn(chosen.value ? "rewrite" : "continue"))}>
      ${doc.value?.kind === "novel" ? html`<${Instruction} />` : html`<span class="quiet instruct-where">${whereWords()}</span>`}
      ${busy.value ? html`<${Stop} />` : chosen.value ? html`<${Anew} off=${noModel} />` : html`<${On} off=${noModel} />`}
    </form>
  </div></div>`;
}

function Instruction() {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  useLayoutEffect(() => fitHeight(area.current), [instruction.value]);
  const keyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.isComposing || event.keyCode === 229 || event.key !== "Enter") return;
    const sends = event.ctrlKey || event.metaKey || event.shiftKey !== (enterSends.value === "yes");
    if (!sends) return;
    event.preventDefault();
    if (!busy.value) goOn(chosen.value ? "rewrite" : "continue");
  };
  return html`<textarea
    ref=${area}
    id="instruction"
    class="instruct-text"
    rows="1"
    aria-label=${t(chosen.value ? "web.write.how" : "web.write.next")}
    placeholder=${chosen.value ? t("web.write.how") : whereWords()}
    value=${instruction.value}
    onInput=${(/** @type {any} */ event) => (instruction.value = event.target.value)}
    onKeyDown=${keyDown}
  ></textarea>`;
}

const atEnd = computed(() => !text.value.slice(selection.value.end).trim());

/** Where it goes on, and that it may be told what happens. */
function whereWords() {
  const next = doc.value?.kind === "novel" ? "next" : "plain";
  return t(atEnd.value ? `web.write.${next}_end` : `web.write.${next}_cursor`);
}

/** @param {{off: boolean}} props */
function On({ off }) {
  const items = COUNTS.slice(1).map((count) => ({ icon: "compare", label: t("web.write.count", { count }), run: () => goOn("continue", count) }));
  return html`<div class="instruct-acts">
    <button type="submit" class="button button-main" disabled=${off || !chapter.value}>${t("web.write.go_on")}</button>
    <${Menu} label=${t("web.write.several")} items=${items}><${Icon} name="compare" /><//>
  </div>`;
}

/** @param {{off: boolean}} props */
function Anew({ off }) {
  const items = [
    { icon: "lengthen", label: t("web.write.go_on_behind"), disabled: off, run: () => goOn("continue") },
    ...COUNTS.slice(1).map((count) => ({ icon: "compare", label: t("web.write.count_anew", { count }), run: () => goOn("rewrite", count) })),
  ];
  return html`<div class="instruct-acts">
    <button type="submit" class="button button-main" disabled=${off}>${t("web.write.rewrite")}</button>
    <button type="button" class="button" disabled=${off} onClick=${() => goOn("expand")}>${t("web.write.expand")}</button>
    <${Menu} label=${t("web.more")} items=${items}><${Icon} name="more" /><//>
  </div>`;
}

function Stop() {
  return html`<div class="instruct-acts">
    <button type="button" class="button" disabled=${live.value?.stopping.value} onClick=${stop}><${Icon} name="stop" />${t("web.composer.stop")}</button>
  </div>`;
}

