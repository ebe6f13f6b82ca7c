// The passage that was written last: ‹ 2/5 ›, another try, side by side, and its numbers. Knows the open chapter.
// @ts-check
import { t } from "../../texts.js";
import { lookAt, placeOf, text } from "../../state/manuscript.js";
import { busy, choose, compared, last, original, retry, there } from "../../state/passages.js";
import { Facts, noticesOf } from "../Facts.js";
import { html } from "../html.js";
import { IconButton } from "../Icon.js";
import { sentences } from "../words.js";
import { instruction } from "./WriteBar.js";

/** @import { Passage } from "../../types.d.ts" */

/** Other tries at its place, `step` places on; before the first of those that were written anew stands the person's own. @param {Passage} one @param {number} step */
export function other(one, step) {
  const all = there(one);
  const next = all.findIndex(({ id }) => id === one.id) + step;
  if (all[next]) return choose(all[next]);
  return next === -1 && one.kind !== "continue" ? original(one) : undefined;
}

/** @param {Passage} one */
export const again = (one, count = 1) => retry(one, instruction.value.trim() || one.instruction, count);

export function PassageBar() {
  const one = last.value;
  if (!one) return null;
  const all = there(one);
  const index = all.findIndex(({ id }) => id === one.id);
  const ignored = one.facts.ignored?.filter((name) => name !== "think"); // nobody asked for it: passages are written without
  const notices = noticesOf(/** @type {any} */ ({ ...one.facts, ignored }));
  const cut = one.facts.story?.cut_characters;
  return html`<div class="passage-bar" role="group" aria-label=${t("web.write.passage")}>
    <span class="passage-turns">
      <${IconButton} icon="left" label=${t("web.write.earlier")} disabled=${busy.value || (index === 0 && one.kind === "continue")} onClick=${() => other(one, -1)} />
      <span class="swipes-count">${index + 1}/${all.length}</span>
      <${IconButton} icon="right" label=${t("web.write.later")} disabled=${busy.value || index + 1 === all.length} onClick=${() => other(one, 1)} />
    </span>
    <${IconButton} icon="retry" label=${t("web.write.retry")} disabled=${busy.value} onClick=${() => again(one)} />
    <${IconButton} icon="compare" label=${t("web.write.compare")} disabled=${all.length < 2} onClick=${() => (compared.value = { start: one.start })} />
    <button type="button" class="facts-line passage-show" onClick=${() => show(one)}>${t("web.write.show_passage")}</button>
    <${Facts} facts=${one.facts} />
    ${(notices.length > 0 || cut > 0) && html`<p class="notice">${sentences([...notices, cut > 0 ? t("web.write.cut", { count: cut }) : ""])}</p>`}
  </div>`;
}

/** @param {Passage} one */
function show(one) {
  const start = placeOf(text.value, one.start);
  lookAt(start, start + one.text.length);
  document.getElementById("paper")?.focus();
}

