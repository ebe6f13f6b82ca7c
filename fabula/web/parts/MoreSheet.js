// What does not fit into the tab bar of a phone: the other rooms, the palette, what is loaded and fetched. Knows no room.
// @ts-check
import { addressOf, PLACES, roomOf } from "../rooms.js";
import { overlay } from "../state/actions.js";
import { route } from "../state/route.js";
import { t } from "../texts.js";
import { Dialog } from "./Dialog.js";
import { html } from "./html.js";
import { Icon } from "./Icon.js";
import { RailFoot } from "./Rail.js";

const close = () => (overlay.value = "");

export function MoreSheet() {
  const rooms = PLACES.filter((room) => !room.tab);
  return html`<${Dialog} title=${t("web.nav.more")} close=${close} class="sheet">
    <ul class="more-rows">
      <li><button type="button" class="more-row" onClick=${() => (overlay.value = "palette")}><${Icon} name="search" />${t("web.palette.title")}</button></li>
      ${rooms.map(
        (room) => html`<li key=${room.name}><a class="more-row" href=${addressOf(room)} aria-current=${roomOf(route.value.view, "") === room ? "page" : undefined} onClick=${close}>
          <${Icon} name=${room.icon} />${t(room.words)}
        </a></li>`,
      )}
    </ul>
    <div onClick=${close}><${RailFoot} /></div>
  <//>`;
}
