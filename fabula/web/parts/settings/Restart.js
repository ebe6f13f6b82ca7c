// Starts the studio again, and says what that means. Knows no setting.
// @ts-check
import { restart, restarting } from "../../state/restarting.js";
import { t } from "../../texts.js";
import { html } from "../html.js";

/** @param {{done?: () => unknown}} props called when the studio is there again */
export function Restart({ done = () => null }) {
  const off = restarting.value;
  return html`<div class="row">
    <button type="button" class="button" disabled=${off} onClick=${() => restart().then(done)}>${t(off ? "web.restart.doing" : "web.restart.do")}</button>
    <small class="quiet">${t("web.restart.means")}</small>
  </div>`;
}
