// The sets of quick replies: taken from files, given out, removed; which hold in this chat. Knows the open chat.
// @ts-check
import { useEffect } from "preact/hooks";
import { closeSide } from "../../state/sides.js";
import { loadSets, removeSet, setFile, sets, takeSets } from "../../state/replies.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { IconButton } from "../Icon.js";

/** @import { ReplySet } from "../../state/replies.js" */

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
    ${list?.map((set) => html`<${One} key=${set.id} set=${set} />`)}
    <label class="button">${t("web.replies.take")}<input class="sr-only" type="file" accept=".json" multiple onChange=${picked} /></label>
    <button type="button" class="link-button" onClick=${closeSide}>${t("web.close")}</button>
  `;
}

/** @param {ReplySet} set */
async function save(set) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(await setFile(set), null, 2)], { type: "application/json" }));
  link.download = `${set.name}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** @param {{set: ReplySet}} props */
function One({ set }) {
  return html`<section class="memory-part" aria-label=${set.name}>
    <div class="row row-spread"><h3>${set.name}</h3>
      <span><${IconButton} icon="away" label=${t("web.replies.give", { name: set.name })} onClick=${() => save(set)} />
      <${IconButton} icon="trash" label=${t("web.replies.remove", { name: set.name })} onClick=${() => removeSet(set)} /></span></div>
    <ul>${set.replies.map((reply) => html`<li key=${reply.label} class="memory-passage"><b>${reply.label}</b> <span class="quiet">${reply.unknown.length ? t("web.replies.unknown", { names: reply.unknown.join(", ") }) : reply.message}</span></li>`)}</ul>
  </section>`;
}
