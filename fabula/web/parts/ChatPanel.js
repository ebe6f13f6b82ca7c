// The inspector of a chat: model, system prompt, thinking, story, traits, sampling. What is in it comes when it is opened.
// @ts-check
import { chat } from "../state/chat.js";
import { panelOpen } from "../state/prefs.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { IconButton } from "./Icon.js";
import { later } from "./later.js";

const Body = later(() => import("./sampling/PanelBody.js"), "PanelBody", "sampling.css");
const close = () => (panelOpen.value = "no");

export function ChatPanel() {
  if (!chat.value || panelOpen.value !== "yes") return null;
  return html`<aside class="panel" aria-label=${t("web.panel.label")}>
    <div class="panel-head"><h2>${t("web.panel.label")}</h2><${IconButton} icon="close" label=${t("web.close")} onClick=${close} /></div>
    <${Body} />
  </aside>`;
}
