// Asks into which language a message is translated, and by which model. Knows the open chat.
// @ts-check
import { useState } from "preact/hooks";
import { chat } from "../../state/chat.js";
import { usable } from "../../state/system.js";
import { languages, translate } from "../../state/translations.js";
import { language, t } from "../../texts.js";
import { translating } from "../Actions.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";
import { languageName } from "../Translation.js";

const close = () => (translating.value = null);

export function Translating() {
  const message = translating.value;
  const [runs, setRuns] = useState(false);
  if (!message) return null;
  const start = async (/** @type {any} */ event) => {
    event.preventDefault();
    const { to, model } = event.target.elements;
    setRuns(true);
    const done = await translate(message, to.value, model.value);
    setRuns(false);
    if (done) close();
  };
  return html`<${Dialog} title=${t("web.translate.open")} close=${close}>
    <form class="block" onSubmit=${start}>
      <label class="block"><span class="label">${t("web.translate.to")}</span>
        <select class="field" name="to" defaultValue=${language.value}>${languages.value.map((tag) => html`<option key=${tag} value=${tag} selected=${tag === language.value}>${languageName(tag)}</option>`)}</select></label>
      <label class="block"><span class="label">${t("web.translate.by")}</span>
        <select class="field" name="model">${usable.value.map(({ name }) => html`<option key=${name} value=${name} selected=${name === chat.value?.model}>${name}</option>`)}</select></label>
      <p class="quiet">${t("web.translate.kept")}</p>
      <div class="row"><button type="submit" class="button button-main" disabled=${runs}>${t(runs ? "web.translate.runs" : "web.translate.start")}</button></div>
    </form>
  <//>`;
}
