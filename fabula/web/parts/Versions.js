// The earlier versions of a message, each of which can be taken back. Knows the open chat.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../api.js";
import { chat, editMessage } from "../state/chat.js";
import { tellError } from "../state/toasts.js";
import { t } from "../texts.js";
import { versionsOf } from "./Actions.js";
import { Dialog } from "./Dialog.js";
import { html } from "./html.js";
import { Markdown } from "./Markdown.js";
import { Thinking } from "./Thinking.js";
import { when } from "./words.js";

/** @import { Version } from "../types.d.ts" */

const close = () => (versionsOf.value = null);

export function Versions() {
  const message = versionsOf.value;
  const [versions, setVersions] = useState(/** @type {Version[] | null} */ (null));
  useEffect(() => {
    setVersions(null);
    if (message) api.get(`/chats/${chat.value?.id}/messages/${message.id}/versions`).then((got) => setVersions(got.versions), tellError);
  }, [message]);
  if (!message) return null;
  const use = async (/** @type {Version} */ version) => {
    if (await editMessage(message.id, version.text)) close();
  };
  return html`<${Dialog} title=${t("web.message.versions_title")} close=${close}>
    ${versions === null && html`<p class="quiet">${t("web.loading")}</p>`}
    ${versions?.toReversed().map(
      (version) => html`<section class="version" key=${version.id}>
        <div class="row row-spread">
          <span class="quiet">${t(`web.version.${version.reason}`)} · ${when(version.created_at)}</span>
          ${version.id === message.version_id
            ? html`<span class="quiet">${t("web.version.shown")}</span>`
            : html`<button type="button" class="button" onClick=${() => use(version)}>${t("web.version.use")}</button>`}
        </div>
        <${Thinking} message=${version} />
        <${Markdown} text=${version.text} />
      </section>`,
    )}
  <//>`;
}
