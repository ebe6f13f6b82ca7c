// The quiet line of numbers under a reply, its details one click away, and what the reader should know about how it
// ended. Knows no chat.
// @ts-check
import { useState } from "preact/hooks";
import { asDuration, hasText, t } from "../texts.js";
import { html } from "./html.js";
import { sentences } from "./words.js";

/** @import { Facts as FactsOf } from "../types.d.ts" */

/** @param {{facts: FactsOf}} props */
export function Facts({ facts }) {
  const [open, setOpen] = useState(false);
  const line = lineOf(facts);
  return html`
    <button type="button" class="facts-line" aria-expanded=${open} title=${t("web.facts.more")} onClick=${() => setOpen(!open)}>${line}</button>
    ${open && html`<${Details} facts=${facts} />`}
  `;
}

/** A reply that was cut off has no timings, only its length; one of a single token has no rate. @param {FactsOf} facts */
function lineOf({ first_token_ms, tokens_per_second: rate, reused_tokens: reused, prompt_tokens: prompt, completion_tokens: tokens }) {
  if (first_token_ms === undefined || rate === undefined) return t("web.facts.tokens", { tokens });
  return t(rate ? "web.facts.line" : "web.facts.line_short", { first: asDuration(first_token_ms / 1000), rate: rounded(rate), reused, prompt });
}

const WHOLE_FROM = 10; // tokens per second: below, a tenth still tells something

/** @param {number} rate */
const rounded = (rate) => Number(rate.toFixed(rate < WHOLE_FROM ? 1 : 0));

/** @param {{facts: FactsOf}} props */
function Details({ facts }) {
  const { prompt_tokens: prompt, reused_tokens: reused, processed_tokens: read } = facts;
  const { completion_tokens: tokens, tokens_per_second: rate, first_token_ms: first } = facts;
  const rows = [
    [t("web.facts.model"), facts.model],
    [t("web.facts.engine"), facts.engine],
    [t("web.facts.exact"), facts.exact?.used && t("web.facts.exact_value", { names: facts.exact.needed.join(", ") })],
    [t("web.facts.prompt"), prompt !== undefined && t("web.facts.prompt_value", { prompt, reused, read })],
    [t("web.facts.cache"), cacheWords(facts)],
    [t("web.facts.broke"), brokeWords(facts.story)],
    [t("web.facts.lore"), facts.story?.lore.join(" · ")],
    [t("web.facts.fixed"), facts.story?.fixed.map((part) => t(`story.parts.${part}`)).join(" · ")],
    [t("web.facts.reasoning"), reasoningWords(facts)],
    [t("web.facts.written"), !rate ? t("web.facts.tokens", { tokens }) : t("web.facts.written_value", { tokens, rate: rounded(rate) })],
    [t("web.facts.cost"), facts.cost !== undefined && facts.cost !== null && t("web.facts.cost_value", { dollars: dollars(facts.cost) })],
    [t("web.facts.bans"), bansWords(facts.bans)],
    [t("web.facts.guessed"), facts.guessed_tokens && t("web.facts.guessed_value", { right: facts.guessed_right ?? 0, tokens: facts.guessed_tokens })],
    [t("web.facts.first"), first !== undefined && asDuration(first / 1000)],
    [t("web.facts.sampling"), html`<${Effective} sampling=${facts.effective ?? {}} />`],
  ];
  return html`<dl class="facts-details">
    ${rows.filter(([, value]) => value).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
  </dl>`;
}

const CENT = 0.01; // below, more digits tell something

/** @param {number} cost */
const dollars = (cost) => (cost >= CENT ? cost.toFixed(2) : cost.toPrecision(2));

/** Where the reused part came from, and why the rest was read. @param {FactsOf} facts */
function cacheWords({ cache, cache_reason: reason }) {
  return sentences([cache ? t(`web.facts.cache_${cache}`) : "", reason ? t(`web.facts.cache_${reason}`) : ""]);
}

/** What made the engine read again what it had known. @param {FactsOf["story"]} story */
function brokeWords(story) {
  if (!story) return "";
  const { broke, estimated } = story;
  const why = broke ? t(`web.facts.broke_${broke.reason}`, { tokens: broke.tokens, part: t(`story.parts.${broke.part}`) }) : "";
  return sentences([why, why && estimated ? t("web.facts.estimated") : ""]);
}

/** What keeping banned texts out has taken. @param {FactsOf["bans"]} bans */
function bansWords(bans) {
  if (!bans) return "";
  const count = t("web.facts.bans_value", { rewrites: bans.rewrites, tokens: bans.wasted_tokens });
  const notes = bans.notes.map((note) => t(`web.facts.bans_${note}`));
  return notes.length ? html`${count} <small class="quiet">${sentences(notes)}</small>` : count;
}

/** @param {FactsOf} facts */
function reasoningWords({ reasoning_tokens: tokens = 0, answer_read_again: again }) {
  const count = tokens ? t("web.facts.tokens", { tokens }) : "";
  return again ? html`${count} <small class="quiet">${t("web.facts.answer_read_again")}</small>` : count;
}

const EVERYDAY = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_tokens", "seed"];

/** What was really used: the everyday parameters, and all others folded away. @param {{sampling: Record<string, any>}} props */
function Effective({ sampling }) {
  const names = Object.keys(sampling).filter((name) => !["", null].includes(sampling[name]) && typeof sampling[name] !== "object");
  const line = (/** @type {string[]} */ list) => list.map((name) => `${name} ${sampling[name]}`).join(" · ");
  const others = names.filter((name) => !EVERYDAY.includes(name));
  return html`${line(EVERYDAY.filter((name) => names.includes(name)))}
    ${others.length > 0 && html`<details><summary>${t("web.facts.all")}</summary>${line(others)}</details>`}`;
}

/** Sentences about a reply that did not simply end. @param {FactsOf} facts */
export function noticesOf(facts) {
  const ending = `web.facts.ended_${facts.finish_reason}`;
  return [
    facts.finish_reason !== "stop" && hasText(ending) && t(ending),
    facts.form_problem && t("web.facts.form_problem", { problem: facts.form_problem }),
    (facts.cut_messages ?? 0) > 0 && t("web.facts.cut", { count: facts.cut_messages }),
    facts.bans?.unavoided.length && t("web.facts.unavoided", { texts: facts.bans.unavoided.join(" · ") }),
    facts.exact && !facts.exact.used && t("web.facts.exact_not", { names: facts.exact.needed.join(", "), why: facts.exact.why }),
    facts.ignored?.length && t("web.facts.ignored", { names: facts.ignored.join(", ") }),
  ].filter(Boolean);
}
