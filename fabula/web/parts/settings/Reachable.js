// How far the studio is open, and what that means: this machine only, or the network; encrypted or not. Knows no key.
// @ts-check
import { useState } from "preact/hooks";
import * as api from "../../api.js";
import { system } from "../../state/system.js";
import { tellError } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Press } from "../Icon.js";
import { sentences } from "../words.js";
import { Restart } from "./Restart.js";

/** @import { Reach } from "../../types.d.ts" */

const ANYBODY = "0.0.0.0";

/** @param {{reach: Reach, changed: () => Promise<any>}} props */
export function Reachable({ reach, changed }) {
  const also = Object.entries(system.value?.addresses.also ?? {});
  return html`<section aria-labelledby="reach-title">
    <h2 id="reach-title">${t("web.access.reach")}</h2>
    <dl class="facts-details settings-facts">
      <dt>${t("web.access.here")}</dt><dd><code>${reach.here}</code></dd>
      <dt>${t("web.access.others")}</dt>
      <dd>${reach.addresses.length ? reach.addresses.map((address) => html`<code key=${address}>${address}</code> `) : t("web.access.nobody")}</dd>
      ${also.length > 0 && html`<dt>${t("web.access.also")}</dt><dd>${also.map(([name, address]) => html`<div key=${name}>${name}: <code>${address}</code></div>`)}</dd>`}
      <dt>${t("web.access.encryption")}</dt><dd>${reach.encrypted ? t("web.access.encrypted", { file: reach.certificate }) : t("web.access.unencrypted")}</dd>
      <dt>${t("web.access.needs")}</dt><dd>${t(reach.key_on_loopback ? "web.access.needs_all" : "web.access.needs_others")}</dd>
    </dl>
    ${!reach.private && html`<p class=${reach.encrypted ? "statement" : "statement statement-warn"}>${sentences([t("web.access.open_means"), reach.encrypted ? "" : t("web.access.open_plain")])}</p>`}
    <${Open} reach=${reach} changed=${changed} />
  </section>`;
}

/** @param {{reach: Reach, changed: () => Promise<any>}} props */
function Open({ reach, changed }) {
  const [asked, setAsked] = useState(false);
  const { next } = reach;
  const listen = async (/** @type {string | null} */ host) => {
    await api.patch("/settings", { host }).then(changed, tellError);
    setAsked(false);
  };
  const differs = next.private !== reach.private;
  return html`
    ${differs && html`<div class="statement"><p role="status">${t(next.private ? "web.access.will_close" : "web.access.will_open")}</p><${Restart} done=${changed} /></div>`}
    ${!next.private && html`<${Press} class="button" onClick=${() => listen(null)}>${t("web.access.close")}<//>`}
    ${next.private && !asked && html`<button type="button" class="button" aria-expanded="false" onClick=${() => setAsked(true)}>${t("web.access.open")}</button>`}
    ${next.private && asked && html`<div class="card settings-ask">
      <p>${t("web.access.open_means")}</p>
      <p>${t(reach.encrypted ? "web.access.open_encrypted" : "web.access.open_plain")}</p>
      <p>${t("web.access.open_rules")}</p>
      ${!reach.keys && html`<p class="bad">${t("web.access.key_first")}</p>`}
      <div class="row">
        <${Press} class="button button-main" disabled=${!reach.keys} onClick=${() => listen(ANYBODY)}>${t("web.access.open_do")}<//>
        <button type="button" class="button" onClick=${() => setAsked(false)}>${t("web.cancel")}</button>
      </div>
    </div>`}`;
}
