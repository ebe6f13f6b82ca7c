// All that was written for one place, side by side, also while it is being written: one is chosen, the others are kept.
// Knows the open chapter.
// @ts-check
import { choose, compared, live, lives, last, stop, written } from "../../state/passages.js";
import { t } from "../../texts.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";
import { LiveStatus } from "../LiveStatus.js";

/** @import { Passage } from "../../types.d.ts" */

const close = () => (compared.value = null);

export function Compare() {
  const place = compared.value;
  if (!place) return null;
  const growing = live.value && !live.value.inPlace ? lives.value : [];
  const all = growing.length ? [] : written.value.filter((one) => one.start === place.start).toReversed();
  return html`<${Dialog} title=${t("web.write.side_by_side")} close=${close} class="compare">
    ${growing.length > 0 && html`<p class="row"><button type="button" class="button" onClick=${stop}>${t("web.composer.stop")}</button></p>`}
    <ol class="compare-columns">
      ${growing.map((one, index) => html`<li key=${index} class="compare-one"><${LiveStatus} live=${one} /><div class="compare-text">${one.text.value}</div></li>`)}
      ${all.map((one, index) => html`<${One} key=${one.id} one=${one} number=${index + 1} />`)}
    </ol>
  <//>`;
}

/** @param {{one: Passage, number: number}} props */
function One({ one, number }) {
  const stands = last.value?.id === one.id;
  const use = async () => {
    close();
    await choose(one);
  };
  return html`<li class="compare-one" aria-label=${t("web.write.version", { number })}>
    ${one.instruction && html`<p class="quiet compare-told">${one.instruction}</p>`}
    <div class="compare-text">${one.text.trim()}</div>
    <div class="row row-spread">
      ${stands ? html`<span class="quiet">${t("web.write.stands")}</span>` : html`<button type="button" class="button" onClick=${use}>${t("web.write.use")}</button>`}
      <span class="quiet tabular">${t("web.facts.tokens", { tokens: one.facts.completion_tokens })}</span>
    </div>
  </li>`;
}
