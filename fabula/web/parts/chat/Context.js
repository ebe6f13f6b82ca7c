// The context beside the chat: the ruler, what broke the prefix, and the way into the prompt. Knows the open chat.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { chat } from "../../state/chat.js";
import { busy } from "../../state/turn.js";
import { t } from "../../texts.js";
import { inspect } from "../ChatHeader.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";
import { brokeWords, Ruler } from "./Ruler.js";

/** @import { LookedPrompt } from "../../types.d.ts" */

export function Context() {
  const now = chat.value;
  const [looked, setLooked] = useState(/** @type {LookedPrompt | null} */ (null));
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  const look = () => {
    setProblem(null);
    if (now && !busy.value) api.get(`/chats/${now.id}/prompt`).then(setLooked, setProblem);
  };
  // What is said changes it; while a reply is written the picture of the one before stays.
  useEffect(look, [now?.id, now?.revision, busy.value]);
  if (problem) return html`<${Trouble} error=${problem} retry=${look} />`;
  if (!looked) return html`<p class="quiet" role="status">${t("web.prompt.counting")}</p>`;
  const why = brokeWords(looked);
  return html`
    <p>${t("story.prompt.sum", { ...looked })}</p>
    <${Ruler} looked=${looked} pick=${inspect} />
    ${why && html`<p class="notice">${why}</p>`}
    ${looked.cut_messages > 0 && html`<p class="notice">${t("web.facts.cut", { count: looked.cut_messages })}</p>`}
    <p><button type="button" class="button" onClick=${() => inspect()}>${t("web.prompt.open")}</button></p>
  `;
}
