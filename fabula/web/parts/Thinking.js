// What a model thought before it answered, folded above the answer; while it thinks, its time and a way to end it.
// Knows no chat.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { answerNow } from "../state/turn.js";
import { asDuration, t } from "../texts.js";
import { html } from "./html.js";
import { Icon } from "./Icon.js";
import { LiveMarkdown, Markdown } from "./Markdown.js";

/** @import { Live } from "../state/turn.js" */
/** @import { Message, Version } from "../types.d.ts" */

const TICK_MS = 1000;

/** @param {{live?: Live | null, message: Message | Version}} props */
export function Thinking({ live = null, message }) {
  const [open, setOpen] = useState(false);
  const text = live ? live.reasoning.value : (message.reasoning ?? "");
  if (!text.trim()) return null;
  const lasts = live?.phase.value === "thinking";
  return html`<section class="thinking" aria-label=${t("web.thinking.done")}>
    <div class="thinking-head">
      <button type="button" class="thinking-fold" aria-expanded=${open} onClick=${() => setOpen(!open)}>
        <${Icon} name=${open ? "down" : "right"} /><span>${live ? html`<${LiveWords} live=${live} />` : storedWords(message)}</span>
      </button>
      ${lasts && html`<button type="button" class="button button-quiet" title=${t("web.thinking.answer_now_about")} disabled=${live.hurried.value} onClick=${answerNow}>${t("web.thinking.answer_now")}</button>`}
    </div>
    ${lasts && !open && html`<div class="hairline hairline-unknown"></div>`}
    ${open && html`<div class="thinking-text">${live ? html`<${LiveMarkdown} text=${live.reasoning} />` : html`<${Markdown} text=${text} />`}</div>`}
  </section>`;
}

/** @param {Message | Version} message */
function storedWords({ facts }) {
  const tokens = facts?.reasoning_tokens;
  return tokens ? t("web.thinking.done_tokens", { tokens }) : t("web.thinking.done");
}

/** A clock while it lasts; a page that came later does not know the time. @param {{live: Live}} props */
function LiveWords({ live }) {
  const [, tick] = useState(0);
  const from = live.thoughtFrom.value;
  const spent = live.thoughtMs.value;
  const lasts = live.phase.value === "thinking";
  useEffect(() => {
    if (!lasts) return undefined;
    const clock = setInterval(() => tick((count) => count + 1), TICK_MS);
    return () => clearInterval(clock);
  }, [lasts]);
  if (!lasts) return spent ? t("web.thinking.done_for", { time: asDuration(spent / 1000) }) : t("web.thinking.done");
  const seconds = from ? Math.floor((performance.now() - from) / 1000) : 0;
  return seconds ? t("web.thinking.now_for", { time: seconds < 60 ? `${seconds} s` : asDuration(seconds) }) : t("web.thinking.now");
}
