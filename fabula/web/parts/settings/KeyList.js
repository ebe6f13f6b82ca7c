// The keys there are: what each allows, its limits, when it was used; a link for a phone, and its end. Knows no secret.
// @ts-check
import { useState } from "preact/hooks";
import * as api from "../../api.js";
import { tell, tellError } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Press } from "../Icon.js";
import { when } from "../words.js";
import { PhoneLink } from "./PhoneLink.js";

/** @import { Key } from "../../types.d.ts" */

/** @param {{keys: Key[], changed: () => Promise<any>}} props */
export function KeyList({ keys, changed }) {
  if (!keys.length) return html`<p class="quiet">${t("web.access.no_keys")}</p>`;
  return html`<ul class="rows" aria-label=${t("web.access.keys")}>
    ${keys.map((key) => html`<${Row} key=${key.name} held=${key} changed=${changed} />`)}
  </ul>`;
}

/** @param {{held: Key, changed: () => Promise<any>}} props */
function Row({ held, changed }) {
  const [linked, setLinked] = useState(false);
  const { name, beginning, scopes, requests, tokens, expires_at: ends, used_at: used } = held;
  const remove = async () => {
    if (!confirm(t("web.access.remove_sure", { name }))) return;
    await api.remove(`/keys/${encodeURIComponent(name)}`).then(() => tell(t("web.access.removed", { name })), tellError);
    await changed();
  };
  const limits = [requests && t("web.access.requests_of", { rate: requests }), tokens && t("web.access.tokens_of", { rate: tokens })].filter(Boolean);
  return html`<li class="key-row">
    <div class="key-words">
      <span><b>${name}</b> <code class="quiet">${beginning}…</code></span>
      <small class="quiet">${scopes.map((scope) => t(`web.access.scope_${scope}`)).join(" · ")}${limits.length ? ` · ${limits.join(" · ")}` : ""}</small>
      <small class="quiet">${used ? t("web.access.used", { when: when(used) }) : t("web.access.unused")} · ${ends ? t("web.access.ends", { when: new Date(ends * 1000).toLocaleDateString() }) : t("web.access.endless")}</small>
    </div>
    <div class="row">
      <button type="button" class="button" aria-expanded=${linked} onClick=${() => setLinked(!linked)}>${t("web.access.phone")}</button>
      <${Press} class="button" aria-label=${t("web.access.remove_named", { name })} onClick=${remove}>${t("web.access.remove")}<//>
    </div>
    ${linked && html`<${PhoneLink} name=${name} />`}
  </li>`;
}
