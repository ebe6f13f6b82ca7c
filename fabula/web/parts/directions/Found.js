// What was found: in a sentence, warnings in words, plots, every layer, and where it comes from. Knows one direction.
// @ts-check
import { removeDirection } from "../../state/directions.js";
import { t, FORMATS } from "../../texts.js";
import { html } from "../html.js";
import { Icon } from "../Icon.js";
import { Plots } from "../plots/Plot.js";

/** @import { Direction } from "../../types.d.ts" */

const SURE = 0.9; // of held-out prompts
const ENOUGH = 30; // prompts of a side

/** @param {{direction: Direction}} props */
export function Found({ direction }) {
  const { best, band, accuracy, separation, plots, name, layers } = direction;
  const said = warnings(direction);
  return html`
    <section aria-labelledby="found-title"><h2 id="found-title">${t("web.directions.tabs.found")}</h2>
      <p>${!layers.length ? t("web.directions.found_bare", { best, first: band[0], last: band[1] }) : t("web.directions.found", { best, accuracy, separation: FORMATS.decimal(separation), first: band[0], last: band[1] })}</p>
      ${said.map((text) => html`<p key=${text} class="statement">${text}</p>`)}
      <${Plots} plots=${plots} />
      ${layers.length > 0 && html`<${Layers} direction=${direction} />`}
    </section>
    <${Origin} direction=${direction} />
    <section><button type="button" class="button button-quiet" onClick=${() => removeDirection(name)}><${Icon} name="trash" />${t("web.directions.remove")}</button>
      <p class="quiet">${t("web.directions.remove_about")}</p></section>`;
}

/** @param {Direction} direction */
function warnings({ accuracy, massive, learned, held_out: held, layers }) {
  const few = Math.min(...learned.map((count, side) => count + held[side]));
  return [
    layers.length > 0 && accuracy < SURE && t("web.directions.unsure", { accuracy }),
    few < ENOUGH && t("web.directions.few", { count: few }),
    massive.length > 0 && t("web.directions.massive", { layers: massive.join(", ") }),
  ].filter(Boolean);
}

/** @param {{direction: Direction}} props */
function Layers({ direction: { layers, best, band } }) {
  const mark = (/** @type {number} */ layer) => (layer === best ? t("web.directions.best") : layer >= band[0] && layer <= band[1] ? t("web.directions.used") : "");
  return html`<details class="kind"><summary>${t("web.directions.layers", { count: layers.length })}</summary>
    <div class="table-scroll" tabindex="0" role="region" aria-label=${t("web.directions.layers", { count: layers.length })}><table class="plain-table tabular">
      <thead><tr>${["layer", "accuracy", "separation", "component", "next", "massive", "use"].map((name) => html`<th key=${name} scope="col">${t(`web.directions.columns.${name}`)}</th>`)}</tr></thead>
      <tbody>${layers.map((row, layer) => html`<tr key=${layer}><th scope="row">${layer}</th><td>${FORMATS.percent(row.accuracy)}</td><td>${FORMATS.decimal(row.separation)}</td><td>${row.component.toFixed(2)}</td><td>${row.next === null ? "" : row.next.toFixed(3)}</td><td>${Math.round(row.massive)}</td><td>${mark(layer)}</td></tr>`)}</tbody>
    </table></div></details>`;
}

/** @param {{direction: Direction}} props */
function Origin({ direction: { provenance, recipe, recipe_hash: hash, path, learned, held_out: held, missing } }) {
  const { model = {}, prompts = {}, versions = {} } = provenance;
  const rows = [
    ["model", [model.name, model.architecture, model.quantization].filter(Boolean).join(" · ")],
    ["fingerprint", model.fingerprint],
    ["prompts", learned.map((count, side) => t("web.directions.side_counts", { learned: count, held_out: held[side] })).join(" · ")],
    ["prompts_hash", prompts.hash],
    ["versions", Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(" · ")],
    ["recipe", missing.includes("recipe") ? "" : Object.entries(recipe).filter(([, value]) => value !== "").map(([name, value]) => `${name}: ${value}`).join(" · ")],
    ["recipe_hash", hash],
    ["path", path],
  ];
  return html`<details class="kind"><summary>${t("web.directions.origin")}</summary>
    <dl class="facts-list">${rows.filter(([, value]) => value).map(([name, value]) => html`<div key=${name}><dt>${t(`web.directions.origins.${name}`)}</dt><dd class="path">${value}</dd></div>`)}</dl>
  </details>`;
}
