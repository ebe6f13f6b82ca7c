// The sets of quick replies: made, taken from files, edited, given out, removed; which hold in this chat. Knows the open chat.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { closeSide } from "../../state/sides.js";
import { loadSets, makeSet, sets, takeSets } from "../../state/replySets.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Icon } from "../Icon.js";
import { OneSet } from "./OneSet.js";

export function ReplySets() {
  useEffect(() => void loadSets(), []);
  const list = sets.value;
  const picked = (/** @type {any} */ event) => {
    takeSets([...event.target.files]);
    event.target.value = "";
  };
  return html`
    <p class="quiet">${t("web.replies.about")}</p>
    ${list?.length === 0 && html`<p>${t("web.replies.none")}</p>`}
    ${list?.map((set) => html`<${OneSet} key=${set.id} set=${set} />`)}
    <${NewSet} />
    <label class="button">${t("web.replies.take")}<input class="sr-only" type="file" accept=".json" multiple onChange=${picked} /></label>
    <button type="button" class="link-button" onClick=${closeSide}>${t("web.close")}</button>
  `;
}

function NewSet() {
  const [name, setName] = useState("");
  const make = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!name.trim()) return;
    makeSet(name.trim()).then((done) => done || setName((now) => now || name));
    setName("");
  };
  return html`<form class="reply-new" onSubmit=${make}>
    <input class="field" maxlength="200" aria-label=${t("web.replies.new_set")} placeholder=${t("web.replies.new_set")} value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} />
    <button type="submit" class="button" disabled=${!name.trim()}><${Icon} name="plus" />${t("web.replies.make_set")}</button>
  </form>`;
}
