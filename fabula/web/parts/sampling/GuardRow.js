// What is judged in this chat, in one row, and where to read on. There is nothing to choose: only the floor is there. Knows no rule.
// @ts-check
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Icon } from "../Icon.js";

export function GuardRow() {
  return html`<a class="guard-row" href="#/settings/guard">
    <span><b>${t("web.panel.guard")}</b> <small class="quiet">${t("web.panel.guard_about")}</small></span>
    <${Icon} name="right" />
  </a>`;
}
