// Asks for the name of a checkpoint. Knows the open chat.
// @ts-check
import { nameCheckpoint } from "../../state/tree.js";
import { t } from "../../texts.js";
import { naming } from "../Actions.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";
import { usePress } from "../Icon.js";

const close = () => (naming.value = null);

export function Naming() {
  const message = naming.value;
  const [saves, save] = usePress(async (/** @type {any} */ event) => {
    event.preventDefault();
    const name = event.target.elements.namedItem("name").value.trim();
    if (message && (await nameCheckpoint(message.id, name)) && naming.value === message) close();
  });
  if (!message) return null;
  return html`<${Dialog} title=${t("web.message.checkpoint")} close=${close}>
    <form class="block" onSubmit=${save}>
      <label class="block"><span class="label">${t("web.map.checkpoint")}</span>
        <input class="field" name="name" maxlength="200" autofocus defaultValue=${message.checkpoint ?? ""} /></label>
      <p class="quiet">${t("web.message.checkpoint_about")}</p>
      <div class="row"><button type="submit" class="button button-main" aria-busy=${saves || undefined}>${t("web.save")}</button></div>
    </form>
  <//>`;
}
