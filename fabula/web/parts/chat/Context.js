// The context beside the chat: the ruler, what broke the prefix, and the way into the prompt. Knows the open chat.
// @ts-check
import { useRef } from "preact/hooks";
import * as api from "../../api.js";
import { chat } from "../../state/chat.js";
import { busy } from "../../state/turn.js";
import { t } from "../../texts.js";
import { inspect } from "../ChatHeader.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";
import { useAnswer } from "../useAnswer.js";
import { brokeWords, Ruler } from "./Ruler.js";

/** @import { LookedPrompt } from "../../types.d.ts" */

export function Context() {
  const now = chat.value;
  // What is said changes it; while a reply is written the picture of the one before stays.
  const before = useRef(/** @type {LookedPrompt & {chat: string} | null} */ (null));
  const ask = async () => (!now || busy.value ? before.current : (before.current = { ...(await api.get(`/chats/${now.id}/prompt`)), chat: now.id }));
  const { told: looked, failure, again } = useAnswer(ask, [now?.id, now?.revision, busy.value]);
  if (failure) return html`<${Trouble} error=${failure} retry=${again} />`;
  if (!looked || looked.chat !== now?.id) return html`<p class="quiet" role="status">${t("web.prompt.counting")}</p>`;
  const why = brokeWords(looked);
  return html`
    <p>${t("story.prompt.sum", { ...looked })}</p>
    <${Ruler} looked=${looked} pick=${inspect} />
    ${why && html`<p class="notice">${why}</p>`}
    ${looked.cut_messages > 0 && html`<p class="notice">${t("web.facts.cut", { count: looked.cut_messages })}</p>`}
    <p><button type="button" class="button" onClick=${() => inspect()}>${t("web.prompt.open")}</button></p>
  `;
}
