// A picture behind the text: one of those the studio keeps, or a new one. Knows no picture.
// @ts-check
import { choose, hang, look, pictureAddress, pictures, takeDown } from "../../state/look.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { IconButton } from "../Icon.js";

const KINDS = "image/png,image/jpeg,image/gif,image/webp,image/avif";

/** @param {{span: {low?: number, high?: number}}} props of the veil */
export function Background({ span }) {
  const { background, veil } = look.value;
  const take = (/** @type {any} */ event) => event.target.files[0] && hang(event.target.files[0]).then(() => (event.target.value = ""));
  const place = (/** @type {string} */ id) => pictures.value.findIndex((picture) => picture.id === id) + 1;
  return html`<section aria-labelledby="background-title">
    <h2 id="background-title">${t("web.look.background")}</h2>
    <p class="quiet">${t("web.look.background_about")}</p>
    <div class="pictures" role="radiogroup" aria-label=${t("web.look.background")}>
      <label class="picture picture-none"><input type="radio" name="background" checked=${!background} onChange=${() => choose({ background: "" })} /><span>${t("web.look.background_none")}</span></label>
      ${pictures.value.map(({ id }) => html`<div class="picture" key=${id}>
        <label><input type="radio" name="background" checked=${background === id} aria-label=${t("web.look.picture", { place: place(id) })} onChange=${() => choose({ background: id })} /><img src=${pictureAddress(id)} alt="" loading="lazy" /></label>
        <${IconButton} icon="trash" label=${t("web.look.picture_remove", { place: place(id) })} onClick=${() => takeDown(id)} />
      </div>`)}
    </div>
    <label class="button file-button">${t("web.look.picture_add")}<input type="file" class="sr-only" accept=${KINDS} onChange=${take} /></label>
    ${background && html`<div class="setting">
      <label class="label" for="look-veil">${t("web.look.veil")}</label>
      <div class="slide"><input id="look-veil" type="range" min=${span.low ?? 0.5} max=${span.high ?? 1} step="0.05" value=${veil} onChange=${(/** @type {any} */ event) => choose({ veil: Number(event.target.value) })} /><output class="tabular">${Math.round(veil * 100)} %</output></div>
      <small class="quiet">${t("web.look.veil_about")}</small>
    </div>`}
  </section>`;
}
