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
import { useEdited } from "../useKept.js";
import { languageName } from "../Translation.js";

/** @import { Message } from "../../types.d.ts" */

const close = () => (translating.value = null);

export function Translating() {
  const message = translating.value;
  return message && html`<${Asking} key=${message.id} message=${message} />`;
}

/** The one that is wished, or the first there is. @param {string} wished @param {string[]} names */
const among = (wished, names) => (names.includes(wished) ? wished : (names[0] ?? ""));

/** @param {{message: Message}} props */
function Asking({ message }) {
  const [runs, setRuns] = useState(false);
  const models = usable.value.map(({ name }) => name);
  const { now: to, edit: setTo } = useEdited(among(language.value, languages.value));
  const { now: model, edit: setModel } = useEdited(among(chat.value?.model ?? "", models));
  const start = async (/** @type {any} */ event) => {
    event.preventDefault();
    setRuns(true);
    const done = await translate(message, to, model);
    setRuns(false);
    if (done && translating.value === message) close();
  };
  return html`<${Dialog} title=${t("web.translate.open")} close=${close}>
    <form class="block" onSubmit=${start}>
      <label class="block"><span class="label">${t("web.translate.to")}</span>
        <select class="field" name="to" value=${to} onChange=${(/** @type {any} */ event) => setTo(event.target.value)}>${languages.value.map((tag) => html`<option key=${tag} value=${tag}>${languageName(tag)}</option>`)}</select></label>
      <label class="block"><span class="label">${t("web.translate.by")}</span>
        <select class="field" name="model" value=${model} onChange=${(/** @type {any} */ event) => setModel(event.target.value)}>${models.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>
      <p class="quiet">${t("web.translate.kept")}</p>
      <div class="row"><button type="submit" class="button button-main" disabled=${runs}>${t(runs ? "web.translate.runs" : "web.translate.start")}</button></div>
    </form>
  <//>`;
}
