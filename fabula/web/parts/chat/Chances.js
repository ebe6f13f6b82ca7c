// How likely each token of a reply was: shaded by its chance, with the likeliest others beside the one that is looked at,
// any of which can be taken instead. Knows the open chat.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { branch, chat, page } from "../../state/chat.js";
import { busy, lengthen } from "../../state/turn.js";
import { t } from "../../texts.js";
import { weighing } from "../Actions.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";

/** @typedef {{id: number, text: string, logprob: number}} Choice natural logarithm */
/** @typedef {Choice & {likeliest: Choice[]}} Token */
/** @typedef {{model: string, sampled: boolean, tokens: Token[]}} Weighed */

const SHOWN = 1000; // tokens that are drawn: the view stays light
const STEPS = /** @type {const} */ ([0.5, 0.2, 0.05]); // below these chances a shade is darker, and its line thicker

const close = () => (weighing.value = null);

/** 0 = nearly certain … 3 = a surprise. @param {number} logprob */
const shadeOf = (logprob) => STEPS.filter((step) => Math.exp(logprob) < step).length;

/** @param {number} logprob */
function chanceOf(logprob) {
  const chance = Math.exp(logprob) * 100;
  return `${chance >= 10 || chance === 0 ? Math.round(chance) : chance.toPrecision(chance < 0.1 ? 1 : 2)}%`;
}

/** Spaces and breaks can be seen where a token is named. @param {string} text */
const seen = (text) => text.replace(/ /g, "␣").replace(/\n/g, "⏎").replace(/\t/g, "⇥") || "∅";

export function Chances() {
  const message = weighing.value;
  const [got, setGot] = useState(/** @type {Weighed | null} */ (null));
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  const [at, setAt] = useState(0);
  const ask = () => {
    setProblem(null);
    setGot(null);
    if (message) api.get(`/chats/${chat.value?.id}/messages/${message.id}/tokens`).then(setGot, setProblem);
  };
  useEffect(ask, [message?.version_id]);
  if (!message) return null;
  const token = got?.tokens[at];
  return html`<${Dialog} title=${t("web.chances.title")} close=${close}>
    <div class="chances">
      ${problem && html`<${Trouble} error=${problem} retry=${ask} />`}
      ${!got && !problem && html`<p class="quiet" role="status">${t("web.chances.counting")}</p>`}
      ${got && html`<p class="quiet">${t(got.sampled ? "web.chances.about" : "web.chances.about_text", { model: got.model })}</p>
        <ul class="chances-key">${[0, 1, 2, 3].map((shade) => html`<li key=${shade}><span class=${`chance chance-${shade}`}>${t(`web.chances.shade_${shade}`)}</span></li>`)}</ul>
        <${Words} tokens=${got.tokens} at=${at} look=${setAt} />
        ${token && html`<${Others} key=${at} tokens=${got.tokens} at=${at} message=${message} />`}`}
    </div>
  <//>`;
}

/** Walked with the arrow keys, one stop for Tab. @param {{tokens: Token[], at: number, look: (at: number) => void}} props */
function Words({ tokens, at, look }) {
  const shown = tokens.slice(0, SHOWN);
  const walk = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = Math.min(Math.max(at + step, 0), shown.length - 1);
    look(next);
    /** @type {any} */ (event.currentTarget).children[next]?.focus();
  };
  return html`<div class="chances-words" role="listbox" aria-label=${t("web.chances.words")} onKeyDown=${walk}>
    ${shown.map(
      (token, place) => html`<span
        key=${place}
        role="option"
        tabindex=${place === at ? 0 : -1}
        aria-selected=${place === at}
        aria-label=${`${seen(token.text)} ${chanceOf(token.logprob)}`}
        title=${chanceOf(token.logprob)}
        class=${`chance chance-${shadeOf(token.logprob)}`}
        onClick=${() => look(place)}
      >${token.text}</span>`,
    )}
  </div>
  ${tokens.length > shown.length && html`<p class="quiet">${t("web.chances.first", { shown: shown.length, all: tokens.length })}</p>`}`;
}

/** @param {{tokens: Token[], at: number, message: import("../../types.d.ts").Message}} props */
function Others({ tokens, at, message }) {
  const token = tokens[at];
  const rows = token.likeliest.some((one) => one.id === token.id) ? token.likeliest : [...token.likeliest, token];
  const take = async (/** @type {Choice} */ other) => {
    const before = tokens.slice(0, at).map(({ text }) => text).join("");
    close();
    const done = await branch(message.id, before + other.text);
    const made = done && page.value.messages.find(({ id }) => id === done.chat.head_id);
    if (made) lengthen(made);
  };
  return html`<table class="chances-others" aria-label=${t("web.chances.others")}>
    <thead><tr><th scope="col">${t("web.chances.token")}</th><th scope="col" class="number">${t("web.chances.chance")}</th><th></th></tr></thead>
    <tbody>${rows.map(
      (row) => html`<tr key=${row.id} class=${row.id === token.id ? "chances-own" : ""}>
        <td><code>${seen(row.text)}</code></td>
        <td class="number"><span class="chances-bar" style=${{ width: `${Math.exp(row.logprob) * 100}px` }}></span>${chanceOf(row.logprob)}</td>
        <td>${row.id === token.id ? html`<small class="quiet">${t("web.chances.own")}</small>` : html`<button type="button" class="link-button" disabled=${busy.value} onClick=${() => take(row)}>${t("web.chances.take")}</button>`}</td>
      </tr>`,
    )}</tbody>
  </table>`;
}
