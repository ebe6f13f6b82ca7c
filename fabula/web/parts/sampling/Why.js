// "Why is this reply bad?": what the studio finds, with numbers, and fixes to try out blind. Knows one message.
// @ts-check
import * as api from "../../api.js";
import { chat } from "../../state/chat.js";
import { busy } from "../../state/turn.js";
import { asked, trial, tryFix } from "../../state/why.js";
import { language, t } from "../../texts.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";
import { useAnswer } from "../useAnswer.js";
import { Trial } from "./Trial.js";

/** @import { WhyAnswer, WhyFinding } from "../../types.d.ts" */

export function Why() {
  if (trial.value) return html`<${Trial} now=${trial.value} />`;
  return asked.value ? html`<${Asking} key=${asked.value.id} id=${asked.value.id} />` : null;
}

/** @param {{id: string}} props */
function Asking({ id }) {
  const ask = /** @returns {Promise<WhyAnswer>} */ () => api.get(`/chats/${chat.value?.id}/why?message_id=${id}`);
  const { told: answer, failure: problem, again } = useAnswer(ask, [id, language.value]);
  return html`<${Dialog} title=${t("web.why.title")} close=${() => (asked.value = null)}>
    ${problem ? html`<${Trouble} error=${problem} retry=${again} />` : answer ? html`<${Findings} answer=${answer} />` : html`<p class="quiet" role="status">${t("web.why.asking")}</p>`}
  <//>`;
}

/** @param {{answer: WhyAnswer}} props */
function Findings({ answer: { findings, rules } }) {
  if (!findings.length) return html`<p>${t("web.why.nothing", { rules })}</p><p class="quiet">${t("web.why.nothing_about")}</p>`;
  return html`<ol class="findings">${findings.map((found) => html`<${Row} key=${found.rule} found=${found} />`)}</ol>
    ${findings.some((found) => found.fix) && html`<p class="quiet">${t("web.why.blind_about")}</p>`}`;
}

/** @param {{found: WhyFinding}} props */
function Row({ found: { weight, text, advice, fix } }) {
  return html`<li class=${`finding finding-${weight}`}>
    <span class="finding-weight">${t(`web.why.weight_${weight}`)}</span>
    <p>${text}</p>
    ${advice && html`<p class="quiet">${advice}</p>`}
    ${fix && html`<div class="finding-fix"><span>${fix.text}</span><button type="button" class="button" disabled=${busy.value} onClick=${() => tryFix(fix)}>${t("web.why.try")}</button></div>`}
  </li>`;
}
