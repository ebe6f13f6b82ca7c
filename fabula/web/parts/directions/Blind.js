// Two models, or one with and without an adapter, answer the same question, in an order that nobody knows until one is
// chosen. Knows no chat.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import { reply, trait } from "../../state/directions.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Markdown } from "../Markdown.js";

/** @typedef {{edited: boolean, text: string, error: string, done: boolean}} Side */

const NAMES = ["A", "B"];
const LENGTH = 120; // tokens

/** @param {{source: string, made: string, prompt: string, adapter?: string}} props `prompt` is the one that is offered; `adapter`, attached to both, is what differs where the models do not */
export function Blind({ source, made, prompt: offered, adapter = "" }) {
  const [prompt, setPrompt] = useState(offered);
  const [sides, setSides] = useState(/** @type {Side[]} */ ([]));
  const [chosen, setChosen] = useState(-1);
  const [writing, setWriting] = useState(false);
  const reader = useRef(new AbortController());
  useEffect(() => () => reader.current.abort(), []);
  const put = (/** @type {number} */ number, /** @type {Partial<Side>} */ values) => setSides((before) => before.map((side, index) => (index === number ? { ...side, ...values } : side)));
  const begin = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const [order, seed] = crypto.getRandomValues(new Uint32Array(2));
    const drawn = [order % 2 === 1, order % 2 === 0];
    reader.current = new AbortController();
    const { signal } = reader.current;
    setChosen(-1);
    setSides(drawn.map((edited) => ({ edited, text: "", error: "", done: false })));
    setWriting(true);
    for (const [number, edited] of drawn.entries()) {
      if (signal.aborted) break;
      const sampling = { seed: seed >>> 1, max_tokens: LENGTH, ...(adapter ? trait(adapter, "take", edited ? 1 : 0) : {}) };
      await reply({ model: edited ? made : source, prompt, sampling }, (text) => put(number, { text }), signal).catch((error) => put(number, { error: signal.aborted ? t("web.directions.stopped") : error.message }));
      put(number, { done: true });
    }
    setWriting(false);
  };
  const ready = sides.length > 0 && sides.every((side) => side.done) && !writing;
  const words = (/** @type {Side} */ side) => (side.edited ? t("web.directions.was_made", { name: adapter || made }) : t("web.directions.was_source", { name: source }));
  return html`<section aria-labelledby="blind-title"><h2 id="blind-title">${t("web.directions.blind")}</h2>
    <p class="quiet" role="status">${t(chosen >= 0 ? "web.directions.blind_told" : ready ? "web.directions.blind_choose" : writing ? "web.why.writing" : "web.directions.blind_about")}</p>
    <form class="job-form" aria-label=${t("web.directions.blind")} onSubmit=${begin}>
      <label class="block"><span class="label">${t("web.directions.prompt")}</span>
        <textarea class="field" rows="2" required value=${prompt} onInput=${(/** @type {any} */ event) => setPrompt(event.target.value)}></textarea></label>
      <div class="row">${writing
        ? html`<button type="button" class="button" onClick=${() => reader.current.abort()}>${t("web.directions.stop")}</button>`
        : html`<button class="button">${t(sides.length ? "web.directions.blind_again" : "web.directions.blind_begin")}</button>`}</div>
    </form>
    ${sides.length > 0 && html`<div class="direction-columns">${sides.map((side, number) => html`<section key=${number} class=${number === chosen ? "direction-column direction-chosen" : "direction-column"} aria-label=${t("web.why.reply", { name: NAMES[number] })}>
      <h3>${t("web.why.reply", { name: NAMES[number] })}</h3>
      ${chosen >= 0 && html`<p class="direction-was">${words(side)}</p>`}
      <div class="direction-text" tabindex="0" role="group" aria-label=${t("web.why.text")}>${side.error ? html`<p class="bad">${side.error}</p>` : side.text ? html`<${Markdown} text=${side.text} />` : html`<p class="quiet">…</p>`}</div>
      ${chosen < 0 && html`<button type="button" class="button" disabled=${!ready} onClick=${() => setChosen(number)}>${t("web.why.take", { name: NAMES[number] })}</button>`}
    </section>`)}</div>`}
  </section>`;
}
