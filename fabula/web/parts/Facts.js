// The quiet line of numbers under a reply, its details one click away, and what the reader should know about how it
// ended. Knows no chat.
// @ts-check
import { useState } from "preact/hooks";
import { asDuration, hasText, t } from "../texts.js";
import { html } from "./html.js";

/** @import { Facts as FactsOf } from "../types.d.ts" */

/** @param {{facts: FactsOf}} props */
export function Facts({ facts }) {
  const [open, setOpen] = useState(false);
  const line = t("web.facts.line", {
    first: asDuration(facts.first_token_ms / 1000),
    rate: facts.tokens_per_second,
    reused: facts.reused_tokens,
    prompt: facts.prompt_tokens,
  });
  return html`
    <button type="button" class="facts-line" aria-expanded=${open} title=${t("web.facts.more")} onClick=${() => setOpen(!open)}>${line}</button>
    ${open && html`<${Details} facts=${facts} />`}
  `;
}

/** @param {{facts: FactsOf}} props */
function Details({ facts }) {
  const rows = [
    [t("web.facts.model"), facts.model],
    [t("web.facts.engine"), facts.engine],
    [t("web.facts.prompt"), t("web.facts.prompt_value", { prompt: facts.prompt_tokens, reused: facts.reused_tokens, read: facts.processed_tokens })],
    [t("web.facts.written"), t("web.facts.written_value", { tokens: facts.completion_tokens, rate: facts.tokens_per_second })],
    [t("web.facts.first"), asDuration(facts.first_token_ms / 1000)],
    [t("web.facts.sampling"), samplingOf(facts.effective)],
  ];
  return html`<dl class="facts-details">
    ${rows.filter(([, value]) => value).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
  </dl>`;
}

/** @param {Record<string, any> | null} effective */
function samplingOf(effective) {
  return Object.entries(effective ?? {})
    .filter(([, value]) => value !== null && typeof value !== "object")
    .map(([name, value]) => `${name} ${value}`)
    .join(" · ");
}

/** Sentences about a reply that did not simply end. @param {FactsOf} facts */
export function noticesOf(facts) {
  const ending = `web.facts.ended_${facts.finish_reason}`;
  return [
    facts.finish_reason !== "stop" && hasText(ending) && t(ending),
    facts.cut_messages > 0 && t("web.facts.cut", { count: facts.cut_messages }),
    facts.ignored?.length > 0 && t("web.facts.ignored", { names: facts.ignored.join(", ") }),
  ].filter(Boolean);
}
