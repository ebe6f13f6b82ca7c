// The inspector of a chat, and what is asked about its replies. Their code comes when they are opened.
// @ts-check
import { offer } from "../state/actions.js";
import { chat, page } from "../state/chat.js";
import { panelOpen, pictureOpen } from "../state/prefs.js";
import { asked, trial } from "../state/why.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { IconButton } from "./Icon.js";
import { later } from "./later.js";

const Body = later(() => import("./sampling/PanelBody.js"), "PanelBody", "sampling.css");
const Why = later(() => import("./sampling/Why.js"), "Why", "sampling.css", () => null);
const close = () => (panelOpen.value = "no");

offer("judging", () => {
  const last = page.value.messages.at(-1);
  const reply = last?.role === "assistant" ? last : null;
  const show = () => (panelOpen.value = pictureOpen.value = "yes");
  return [
    { id: "why", words: t("web.why.title"), icon: "question", off: !chat.value || !reply, run: () => (asked.value = reply) },
    { id: "picture", words: t("web.picture.title"), icon: "sliders", off: !chat.value, run: show },
  ];
});

export function ChatPanel() {
  return html`<${Inspector} />${(asked.value || trial.value) && html`<${Why} />`}`;
}

function Inspector() {
  if (!chat.value || panelOpen.value !== "yes") return null;
  return html`<aside class="panel" aria-label=${t("web.panel.label")}>
    <div class="panel-head"><h2>${t("web.panel.label")}</h2><${IconButton} icon="close" label=${t("web.close")} onClick=${close} /></div>
    <${Body} />
  </aside>`;
}
