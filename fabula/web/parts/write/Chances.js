// A notebook token by token: how likely each was, what else could have come, and another one put in its place, from where
// the model goes on. Knows the open notebook.
// @ts-check
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import * as api from "../../api.js";
import { base, change, changed, path, pointsIn, runs, text } from "../../state/manuscript.js";
import { busy, live, write } from "../../state/passages.js";
import { t } from "../../texts.js";
import { html } from "../html.js";

/** @typedef {{id: number, text: string, logprob: number, alternatives?: {id: number, text: string, logprob: number}[]}} Token */
/** A token and where it begins, in characters as the studio counts; or text that somebody typed. @typedef {{at: number, text: string, token: Token | null}} Piece */

const SHOWN = 1500; // pieces at the end; more when asked for
const STEPS = [0.9, 0.6, 0.3, 0.1, 0.02]; // a token less likely than the last is the least likely kind

/** Which token's alternatives are shown, by its place. */
const open = signal(-1);

/** From 0 (nearly certain) to 5. @param {number} logprob */
const stepOf = (logprob) => STEPS.filter((least) => Math.exp(logprob) < least).length;

/** @param {number} logprob */
const percent = (logprob) => {
  const share = Math.exp(logprob) * 100;
  return `${share >= 10 ? share.toFixed(0) : share.toPrecision(2)}%`;
};

/** @param {any[]} all @returns {Piece[]} */
function piecesOf(all) {
  const pieces = /** @type {Piece[]} */ ([]);
  let at = 0;
  for (const run of all) {
    if (!run.tokens.length) pieces.push({ at, text: run.text, token: null });
    let place = at;
    for (const token of run.tokens) {
      pieces.push({ at: place, text: token.text, token });
      place += pointsIn(token.text);
    }
    at += pointsIn(run.text);
  }
  return pieces;
}

/** As events carry it. @param {any[]} row @returns {Token} */
const tokenOf = ([id, text, logprob]) => ({ id, text, logprob });

export function Chances() {
  const [most, setMost] = useState(SHOWN);
  const end = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => () => void (open.value = -1), []);
  const grown = live.value?.text.value;
  useLayoutEffect(() => end.current?.scrollIntoView({ block: "nearest" }), [grown, base.value?.version]);
  const told = base.value?.text === text.value ? piecesOf(runs.value) : [{ at: 0, text: text.value, token: null }];
  const shown = told.slice(-most);
  return html`<div class="chances" tabindex="0" role="region" aria-label=${t("web.write.chances")}>
    <div class="chances-key" aria-hidden="true"><span>${t("web.write.likely")}</span>${[0, ...STEPS].map((_, step) => html`<i class=${`chance-${step}`}></i>`)}<span>${t("web.write.unlikely")}</span></div>
    ${told.length > most && html`<button type="button" class="button button-quiet" onClick=${() => setMost(most * 4)}>${t("web.write.more_tokens")}</button>`}
    <div class="chances-text">${shown.map((piece) => html`<${Part} key=${piece.at} piece=${piece} />`)}${live.value && live.value.tokens.map((row, index) => html`<span key=${`l${index}`} class=${`token chance-${stepOf(row[2])}`}>${tokenOf(row).text}</span>`)}<span ref=${end}></span></div>
    ${!told.some(({ token }) => token) && html`<p class="quiet">${t("web.write.no_chances")}</p>`}
  </div>`;
}

/** @param {{piece: Piece}} props */
function Part({ piece: { at, text: words, token } }) {
  if (!token) return html`<span class="token-typed">${words}</span>`;
  const isOpen = open.value === at;
  const toggle = () => (open.value = isOpen ? -1 : at);
  const keyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" || event.key === " ") (event.preventDefault(), toggle());
    if (event.key === "Escape" && isOpen) (event.stopPropagation(), toggle());
  };
  return html`<span class="token-frame"
    ><span class=${`token chance-${stepOf(token.logprob)}`} role="button" tabindex="0" aria-expanded=${isOpen} title=${percent(token.logprob)} aria-label=${t("web.write.token", { token: words, chance: percent(token.logprob) })} onClick=${toggle} onKeyDown=${keyDown}>${words}</span
    >${isOpen && html`<${Others} at=${at} token=${token} />`}</span
  >`;
}

/** What else could have come. @param {{at: number, token: Token}} props */
function Others({ at, token }) {
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    const box = /** @type {HTMLElement} */ (list.current);
    const over = box.getBoundingClientRect().right - (box.closest(".chances")?.getBoundingClientRect().right ?? innerWidth) + 8;
    if (over > 0) box.style.translate = `${-over}px`;
    box.querySelector("button")?.focus({ preventScroll: true });
  }, []);
  const others = token.alternatives ?? [];
  const known = others.some(({ id }) => id === token.id);
  return html`<span class="others" ref=${list} role="group" aria-label=${t("web.write.others")}>
    ${!known && html`<${Other} at=${at} one=${token} is />`}
    ${others.map((one) => html`<${Other} key=${one.id} at=${at} one=${one} is=${one.id === token.id} />`)}
  </span>`;
}

/** @param {{at: number, one: Token, is: boolean}} props */
function Other({ at, one, is }) {
  const pick = async () => {
    open.value = -1;
    const answer = await change((revision) => api.post(`${path()}/pick`, { revision, at, token_id: one.id }));
    if (!answer) return;
    await changed(answer);
    await write({ kind: "continue", start: text.value.length });
  };
  return html`<button type="button" class="other" disabled=${is || busy.value} aria-current=${is ? "true" : undefined} onClick=${pick}>
    <span class="other-text">${shownAs(one.text)}</span><span class="meter"><span style=${{ width: `${Math.exp(one.logprob) * 100}%` }}></span></span><span class="tabular">${percent(one.logprob)}</span>
  </button>`;
}

/** Blanks can be seen. @param {string} token */
const shownAs = (token) => token.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replace(/^ | $/g, "␣") || "∅";
