// What a repository offers, each file or quantization with its size and whether it fits. Knows one repository.
// @ts-check
import { downloads, fetchModel, lookInto, offers } from "../state/finding.js";
import { asBytes, t } from "../texts.js";
import { html } from "./html.js";
import { Icon, Press } from "./Icon.js";
import { meaningOf, Quantizations } from "./Quantizations.js";
import { Trouble } from "./Trouble.js";

/** @import { Offer, Offers } from "../types.d.ts" */

/** @param {{source: string}} props */
export function OfferTable({ source }) {
  const answer = offers.value[source];
  if (!answer) return html`<p class="quiet offers">${t("web.finding.reading")}</p>`;
  if (answer instanceof Error) return html`<div class="offers"><${Trouble} error=${answer} retry=${() => lookInto(source)} /></div>`;
  if (!answer.offers.length) return html`<p class="quiet offers">${t("web.finding.no_files")}</p>`;
  return html`<div class="offers">
    ${answer.why && html`<p>${answer.why}</p>`}
    <table>
      <thead><tr><th>${t("web.finding.quantization")}</th><th class="number">${t("web.finding.size")}</th><th>${t("web.finding.verdict")}</th><th></th></tr></thead>
      <tbody>${answer.offers.map((offer) => html`<${Row} key=${offer.source} offer=${offer} />`)}</tbody>
    </table>
    ${answer.unneeded.length > 0 && html`<details class="fold"><summary>${t("web.finding.unneeded", { count: answer.unneeded.length })}</summary>
      <dl class="ruled-out">${answer.unneeded.map((file) => html`<div key=${file.path}><dt>${file.path}</dt><dd class="quiet">${file.why}</dd></div>`)}</dl>
    </details>`}
    <${Quantizations} />
    <p class="quiet">${t("web.finding.free", { free: answer.free, folder: answer.folder })}</p>
  </div>`;
}

/** @param {{offer: Offer}} props */
function Row({ offer }) {
  const { source, quantization, name, size, verdict, recommended, out, basis } = offer;
  const waits = downloads.value.some((download) => download.source === source);
  const words = quantization || name;
  const meaning = meaningOf(quantization);
  return html`<tr class=${recommended ? "is-best" : ""}>
    <td>${words}${recommended && html` <span class="best">${t("web.finding.best")}</span>`}${meaning && html`<small class="quiet">${meaning}</small>`}</td>
    <td class="number tabular">${asBytes(size)}</td>
    <td><span class=${`verdict verdict-${verdict}`} title=${t(`web.finding.basis.${basis}`)}>${t(`web.verdict.${verdict}`)}</span>${out && html`<small class="quiet">${out}</small>`}</td>
    <td><${Press} class=${`button ${recommended ? "button-main" : ""}`} disabled=${waits} aria-label=${t("web.finding.get_named", { name: words })} onClick=${() => fetchModel(source)}><${Icon} name="get" />${t(waits ? "web.home.getting" : "web.finding.get")}<//></td>
  </tr>`;
}
