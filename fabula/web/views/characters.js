// Characters: the gallery, or the one that the address names. Knows nothing of what is on a card.
// @ts-check
import { later } from "../parts/later.js";
import { Gallery } from "../parts/characters/Gallery.js";
import { html } from "../parts/html.js";

const CardPage = later(() => import("../parts/characters/CardPage.js"), "CardPage");

/** @param {{id: string}} props */
export function CharactersView({ id }) {
  return id ? html`<${CardPage} key=${id} id=${id} />` : html`<${Gallery} />`;
}
