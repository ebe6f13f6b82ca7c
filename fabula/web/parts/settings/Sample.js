// A few lines as a chat would show them now. Knows no chat.
// @ts-check
import { t } from "../../texts.js";
import { Beside } from "../Beside.js";
import { html } from "../html.js";

/** @returns {any} a message of this minute */
const asked = () => ({ role: "user", created_at: Date.now() / 1000 });

export function Sample() {
  return html`<div class="sample" aria-hidden="true">
    <div class="message message-user"><div class="message-name"><${Beside} message=${asked()} name=${t("web.chat.you")} /></div><div class="prose"><p>${t("web.look.sample_asked")}</p></div></div>
    <div class="message message-assistant">
      <div class="message-name"><${Beside} message=${asked()} name=${t("web.chat.assistant")} /></div>
      <div class="prose"><p>${t("web.look.sample_told")}</p><p>${t("web.look.sample_more")}</p></div>
      <div class="message-foot"><span class="facts-line">${t("web.facts.line", { first: "0.4 s", rate: 34, reused: 410, prompt: 412 })}</span></div>
    </div>
  </div>`;
}
