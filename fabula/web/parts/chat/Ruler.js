// The prompt as one bar, to scale: what was cut is hatched, what the last reply could reuse is filled, what was read for
// it is outlined. Each part is named where it is pointed at. Knows no chat but for its last reply.
// @ts-check
import { useState } from "preact/hooks";
import { page } from "../../state/chat.js";
import { hasText, t } from "../../texts.js";
import { html } from "../html.js";

/** @import { LookedPrompt, Segment } from "../../types.d.ts" */
/** @typedef {{kind: string, name: string, reason: string, tokens: number, count: number, place: number}} Row `place`: among the rows of a prompt, −1 = none of them */

/** Where a part belongs in the picture, by the reason for which it stands there. */
const KINDS = /** @type {Record<string, string>} */ ({ head: "head", fixed: "head", triggered: "lore", stays: "lore", depth: "tail", tail: "tail" });

/** What the engine still knew of the last reply's prompt, in tokens; −1 where the person spoke last, or nothing is known. */
function reusedOf() {
  const last = page.value.messages.at(-1);
  return last?.role === "assistant" ? (last.facts?.reused_tokens ?? -1) : -1;
}

/** @param {LookedPrompt} looked */
export const brokeWords = ({ broke }) => (broke ? t(`web.facts.broke_${broke.reason}`, { tokens: broke.tokens, part: t(`story.parts.${broke.part}`) }) : "");

/** @param {{looked: LookedPrompt, pick: (place: number) => void}} props */
export function Ruler({ looked, pick }) {
  const [at, setAt] = useState(-1);
  const rows = rowsOf(looked.segments);
  const room = { kind: "room", tokens: looked.reply_room, name: t("web.prompt.kinds.room"), reason: "", count: 0, place: -1 };
  const stripes = [...rows.filter((row) => row.kind === "cut"), ...rows.filter((row) => row.kind !== "cut"), room];
  const whole = Math.max(1, stripes.reduce((sum, row) => sum + row.tokens, 0));
  const reused = reusedOf();
  const shares = sharesOf(stripes, reused);
  const looks = stripes[at];
  return html`<div class="ruler">
    <div class="ruler-bar" role="group" aria-label=${t("web.prompt.ruler")} onPointerLeave=${() => setAt(-1)}>
      ${stripes.map(
        (row, index) => row.tokens > 0 && html`<button
          type="button"
          key=${index}
          class=${`ruler-part ruler-line-${row.kind}`}
          style=${{ flexGrow: row.tokens / whole }}
          aria-label=${`${wordsOf(row)}${stateOf(shares[index])}`}
          onClick=${() => row.place >= 0 && pick(row.place)}
          onPointerEnter=${() => setAt(index)}
          onFocus=${() => setAt(index)}
          onBlur=${() => setAt(-1)}
        ><span class=${`ruler-${row.kind}`} style=${{ width: `${(shares[index] < 0 ? 1 : shares[index]) * 100}%` }}></span></button>`,
      )}
    </div>
    <p class="ruler-looked quiet" aria-hidden="true">${looks ? `${wordsOf(looks)}${stateOf(shares[at])}` : reused >= 0 ? t("web.prompt.reused", { reused, tokens: looked.tokens }) : t("web.prompt.point")}</p>
    <${Key} stripes=${stripes} />
  </div>`;
}

/** @param {Row} row */
const wordsOf = ({ name, tokens }) => t("web.prompt.kind", { kind: name, tokens });

/** @param {number} share that was reused, −1 = not known */
function stateOf(share) {
  if (share < 0) return "";
  return ` · ${share >= 1 ? t("web.prompt.was_reused") : share <= 0 ? t("web.prompt.was_read") : t("web.prompt.was_partly", { share })}`;
}

/** How much of each stripe lies in the part that was reused. @param {Row[]} stripes @param {number} reused */
function sharesOf(stripes, reused) {
  let before = 0;
  return stripes.map(({ kind, tokens }) => {
    if (reused < 0 || kind === "cut" || kind === "room") return -1;
    const share = Math.min(Math.max((reused - before) / Math.max(tokens, 1), 0), 1);
    before += tokens;
    return share;
  });
}

/** @param {{stripes: Row[]}} props */
function Key({ stripes }) {
  const kinds = [...new Set(stripes.filter((row) => row.tokens).map((row) => row.kind))];
  const tokens = (/** @type {string} */ kind) => stripes.filter((row) => row.kind === kind).reduce((sum, row) => sum + row.tokens, 0);
  return html`<ul class="ruler-key">${kinds.map((kind) => html`<li key=${kind}><i class=${`ruler-${kind}`}></i>${t("web.prompt.kind", { kind: t(`web.prompt.kinds.${kind}`), tokens: tokens(kind) })}</li>`)}</ul>`;
}

/** Parts in their order; messages that follow each other are one row. @param {Segment[]} segments @returns {Row[]} */
export function rowsOf(segments) {
  const rows = /** @type {Row[]} */ ([]);
  for (const segment of segments.filter(({ tokens }) => tokens)) {
    const row = rowOf(segment);
    const last = rows.at(-1);
    const goesOn = last && row.count && last.count && last.kind === row.kind && last.reason === row.reason;
    if (goesOn) rows[rows.length - 1] = { ...last, name: t("web.prompt.kinds.history"), tokens: last.tokens + row.tokens, count: last.count + 1 };
    else rows.push({ ...row, place: rows.length });
  }
  return rows;
}

/** @param {Segment} segment @returns {Row} */
function rowOf({ source, label, tokens, included, reason }) {
  const isMessage = ["user", "assistant", "message"].includes(source) && KINDS[reason] === undefined;
  return {
    kind: included ? kindOf(source, reason) : "cut",
    name: label && label !== source ? `${partName(source)}: ${label}` : partName(source),
    reason: t(`story.reasons.${included ? reason || "message" : "cut"}`),
    tokens,
    count: isMessage ? 1 : 0,
    place: -1,
  };
}

/** What stays where it was told is lore or a note. @param {string} source @param {string} reason */
function kindOf(source, reason) {
  const kind = KINDS[reason] ?? (["system", "system_prompt"].includes(source) ? "head" : "history");
  return kind === "lore" && source !== "lore" ? "tail" : kind;
}

/** @param {string} source */
export const partName = (source) => (hasText(`story.parts.${source}`) ? t(`story.parts.${source}`) : source);
