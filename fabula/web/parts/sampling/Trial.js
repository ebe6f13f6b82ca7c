// Two replies beside each other. Blind: which is which is told when one is chosen. Knows a trial, and no chat.
// @ts-check
import { asked, choose, keep, leave } from "../../state/why.js";
import { t } from "../../texts.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";
import { Markdown } from "../Markdown.js";

/** @import { Side, Trial as TrialOf } from "../../state/why.js" */

const NAMES = ["A", "B"];

/** @param {{now: TrialOf}} props */
export function Trial({ now }) {
  const done = now.sides.every((side) => side.written);
  const chosen = now.chosen >= 0;
  const close = () => (leave(), (asked.value = null));
  const lasting = chosen && now.lasting && now.sides[now.chosen].words !== t("web.why.as_it_is") ? now.lasting : null;
  return html`<${Dialog} title=${t(now.blind ? "web.why.trial" : "web.why.compare")} close=${close} class="dialog-wide">
    <p class="quiet" role="status">${t(chosen ? "web.why.chosen" : done ? (now.blind ? "web.why.choose_about" : "web.why.compare_about") : "web.why.writing")}</p>
    <div class="trial">${now.sides.map((side, number) => html`<${Half} key=${number} side=${side} number=${number} now=${now} done=${done} />`)}</div>
    <div class="row trial-end">
      ${lasting && html`<button type="button" class="button button-main" onClick=${() => (keep(lasting), close())}>${t("web.why.keep")}</button>`}
      <button type="button" class="button" onClick=${close}>${t(chosen ? "web.close" : "web.why.neither")}</button>
    </div>
  <//>`;
}

/** @param {{side: Side, number: number, now: TrialOf, done: boolean}} props */
function Half({ side, number, now, done }) {
  const isOpen = !now.blind || now.chosen >= 0;
  return html`<section class=${now.chosen === number ? "trial-half trial-chosen" : "trial-half"} aria-label=${t("web.why.reply", { name: NAMES[number] })}>
    <h3>${now.blind ? t("web.why.reply", { name: NAMES[number] }) : side.words}</h3>
    ${isOpen && now.blind && html`<p class="trial-words">${side.words}</p>`}
    <div class="trial-text" tabindex="0" role="group" aria-label=${t("web.why.text")}>${side.error ? html`<p class="bad">${side.error}</p>` : side.text ? html`<${Markdown} text=${side.text} />` : html`<p class="quiet">…</p>`}</div>
    ${now.chosen < 0 && html`<button type="button" class="button" disabled=${!done || !side.id} onClick=${() => choose(number)}>${t("web.why.take", { name: now.blind ? NAMES[number] : side.words })}</button>`}
  </section>`;
}
