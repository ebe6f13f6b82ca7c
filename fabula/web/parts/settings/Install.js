// The studio as an app on this device, or why that is not possible here. Knows no browser by name.
// @ts-check
import { install, installable } from "../../state/install.js";
import { t } from "../../texts.js";
import { html } from "../html.js";

export function Install() {
  const how = installable.value;
  return html`<section aria-labelledby="install-title">
    <h2 id="install-title">${t("web.access.install")}</h2>
    <p class="quiet">${t(`web.access.install_${how}`)}</p>
    ${how === "ready" && html`<div class="row"><button type="button" class="button" onClick=${install}>${t("web.access.install_do")}</button></div>`}
  </section>`;
}
