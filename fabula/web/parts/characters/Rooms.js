// The heading of a room, with the way to what belongs beside it. Knows no content.
// @ts-check
import { t } from "../../texts.js";
import { html } from "../html.js";

/** @param {{here: "characters" | "lore"}} props */
export function Rooms({ here }) {
  const other = here === "characters" ? html`<a href="#/lore">${t("web.characters.lore")}</a>` : html`<a href="#/characters">${t("web.nav.characters")}</a>`;
  return html`<header class="gallery-head"><h1>${t(`web.nav.${here}`)}</h1><nav aria-label=${t("web.characters.beside")}>${other}</nav></header>`;
}
