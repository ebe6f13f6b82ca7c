// What can be done with all chats that are chosen. Knows the list, not the open chat.
// @ts-check
import { chooseAll, chosen, erase, filter, mark, throwAway } from "../../state/keeping.js";
import { t } from "../../texts.js";
import { marking } from "../ChatList.js";
import { html } from "../html.js";
import { IconButton } from "../Icon.js";

const done = () => (chosen.value = null);

export function Chosen() {
  const ids = [...(chosen.value ?? [])];
  const none = !ids.length;
  const { trashed } = filter.value;
  const back = () => mark(ids, { trashed: false }).then(() => (chosen.value = new Set()));
  return html`<div class="chosen" role="toolbar" aria-label=${t("web.keep.chosen_label")}>
    <span class="chosen-count" role="status">${t("web.keep.chosen", { count: ids.length })}</span>
    <button type="button" class="link-button" onClick=${chooseAll}>${t("web.keep.all")}</button>
    <span class="row">
      ${trashed
        ? html`<${IconButton} icon="undo" label=${t("web.keep.restore")} disabled=${none} onClick=${back} />
            <${IconButton} icon="trash" label=${t("web.keep.erase")} disabled=${none} onClick=${() => confirm(t("web.keep.erase_many", { count: ids.length })) && erase(ids)} />`
        : html`<${IconButton} icon="star" label=${t("web.keep.favourite")} disabled=${none} onClick=${() => mark(ids, { favourite: true })} />
            <${IconButton} icon="folder" label=${t("web.keep.mark")} disabled=${none} onClick=${() => (marking.value = { ids })} />
            <${IconButton} icon="trash" label=${t("web.keep.throw_away")} disabled=${none} onClick=${() => throwAway(ids)} />`}
      <${IconButton} icon="close" label=${t("web.keep.stop_choosing")} onClick=${done} />
    </span>
  </div>`;
}
