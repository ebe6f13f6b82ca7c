// The earlier versions of a message, each of which can be taken back. Knows the open chat.
// @ts-check
import * as api from "../api.js";
import { chat, editMessage } from "../state/chat.js";
import { t } from "../texts.js";
import { versionsOf } from "./Actions.js";
import { Dialog } from "./Dialog.js";
import { html } from "./html.js";
import { Press } from "./Icon.js";
import { Markdown } from "./Markdown.js";
import { Thinking } from "./Thinking.js";
import { Trouble } from "./Trouble.js";
import { useAnswer } from "./useAnswer.js";
import { when } from "./words.js";

/** @import { Message, Version } from "../types.d.ts" */

const close = () => (versionsOf.value = null);

export function Versions() {
  const message = versionsOf.value;
  const ask = /** @returns {Promise<{of: Message | null, versions: Version[]}>} */ async () => ({
    of: message,
    versions: message ? (await api.get(`/chats/${chat.value?.id}/messages/${message.id}/versions`)).versions : [],
  });
  const { told, failure, again } = useAnswer(ask, [message]);
  const versions = told?.of === message ? told.versions : null;
  if (!message) return null;
  const use = async (/** @type {Version} */ version) => {
    if ((await editMessage(message.id, version.text)) && versionsOf.value === message) close();
  };
  return html`<${Dialog} title=${t("web.message.versions_title")} close=${close}>
    ${failure && html`<${Trouble} error=${failure} retry=${again} />`}
    ${!versions && !failure && html`<p class="quiet">${t("web.loading")}</p>`}
    ${versions?.toReversed().map(
      (version) => html`<section class="version" key=${version.id}>
        <div class="row row-spread">
          <span class="quiet">${t(`web.version.${version.reason}`)} · ${when(version.created_at)}</span>
          ${version.id === message.version_id
            ? html`<span class="quiet">${t("web.version.shown")}</span>`
            : html`<${Press} class="button" onClick=${() => use(version)}>${t("web.version.use")}<//>`}
        </div>
        <${Thinking} message=${version} />
        <${Markdown} text=${version.text} />
      </section>`,
    )}
  <//>`;
}
