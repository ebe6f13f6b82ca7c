// The buttons of quick replies above the composer. Knows the open chat.
// @ts-check
import { chat } from "../../state/chat.js";
import { draftOf } from "../../state/drafts.js";
import { replies, run } from "../../state/replies.js";
import { busy } from "../../state/turn.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Press } from "../Icon.js";

/** @param {{disabled: boolean}} props */
export function QuickReplies({ disabled }) {
  const shown = replies.value.flatMap((set) => set.replies.map((reply) => ({ set, reply })));
  if (!shown.length) return null;
  return html`<div class="quick-replies" role="toolbar" aria-label=${t("web.replies.label")}>
    ${shown.map(({ set, reply }) => {
      const off = reply.unknown.length > 0;
      const about = off ? t("web.replies.unknown", { names: reply.unknown.join(", ") }) : reply.title || reply.message;
      return html`<${Press} class="quick-reply" key=${`${set.id} ${reply.at}`} title=${about} disabled=${off || disabled || busy.value} onClick=${() => run(set, reply, draftOf(chat.value?.id ?? ""))}>${reply.label}<//>`;
    })}
  </div>`;
}
