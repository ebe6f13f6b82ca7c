// What a reply is waiting for: its turn, the model, then the prompt as a hairline, then nothing but text. Knows no chat.
// @ts-check
import { t } from "../texts.js";
import { html } from "./html.js";

/** @import { Live } from "../state/turn.js" */

/** @param {{live: Live}} props */
export function LiveStatus({ live }) {
  const phase = live.phase.value;
  if (phase === "writing" || phase === "thinking") return null;
  if (phase === "written") return html`<div class="live-status"><span>${t("web.chat.one_written")}</span></div>`;
  const progress = live.prefill.value;
  if (phase === "reading" && progress) return html`<${Reading} ...${progress} />`;
  return html`<div class="live-status">
    <div class="hairline hairline-unknown"></div>
    <span>${waitingFor(live)}</span>
  </div>`;
}

/** @param {Live} live */
function waitingFor(live) {
  const { position, behind } = live.queue.value;
  if (live.phase.value === "loading") return [t("web.chat.loading_model"), live.why.value].filter(Boolean).join(" · ");
  if (live.phase.value !== "queued") return t("web.chat.waiting");
  if (behind) return t("web.chat.queued_behind", { model: behind });
  return position > 1 ? t("web.chat.queued", { position }) : t("web.chat.queued_next");
}

/** @param {{processed: number, total: number, reused: number}} props */
function Reading({ processed, total, reused }) {
  const share = total ? processed / total : 0;
  const words = t("web.chat.reading", { processed, total, reused });
  return html`<div class="live-status">
    <div class="hairline" role="progressbar" aria-label=${t("web.chat.reading_label")} aria-valuemin="0" aria-valuemax=${total} aria-valuenow=${processed} aria-valuetext=${words}>
      <div class="hairline-done" style=${{ transform: `scaleX(${share})` }}></div>
    </div>
    <span>${words}</span>
  </div>`;
}
