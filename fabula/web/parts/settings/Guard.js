// What is refused whatever is set, and what is not judged at all. Knows no rule.
// @ts-check
import { t } from "../../texts.js";
import { html } from "../html.js";

export function Guard() {
  return html`<section aria-labelledby="guard-title">
    <h2 id="guard-title">${t("web.settings.page.guard")}</h2>
    <p>${t("web.guard.floor")}</p>
    <p>${t("web.guard.open")}</p>
    <p class="quiet">${t("web.guard.mistakes")}</p>
  </section>`;
}
