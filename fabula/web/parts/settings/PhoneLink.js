// A link that signs one browser in, once, as a QR code to scan. Knows no key's secret.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { once } from "../../state/line.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Press } from "../Icon.js";
import { Trouble } from "../Trouble.js";
import { CopyText } from "./CopyText.js";

/** @typedef {{links: string[], codes: string[][], path: string, seconds: number}} Made */

/** @param {{name: string}} props of the key */
export function PhoneLink({ name }) {
  const [made, setMade] = useState(/** @type {Made | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [place, setPlace] = useState(0);
  const make = () => once(`link ${name}`, () => api.post(`/keys/${encodeURIComponent(name)}/link`)).then((got) => (setMade(got), setError(null)), setError);
  useEffect(() => void make(), [name]);
  if (error) return html`<${Trouble} error=${error} retry=${make} />`;
  if (!made) return html`<p class="quiet">${t("web.loading")}</p>`;
  if (!made.links.length) return html`<p class="notice">${t("web.access.not_reachable")}</p>`;
  const link = made.links[place];
  return html`<div class="phone-link">
    <${QrCode} rows=${made.codes[place]} label=${t("web.access.code", { name })} />
    <div class="phone-words">
      <p>${t("web.access.scan", { name, minutes: Math.round(made.seconds / 60) })}</p>
      ${made.links.length > 1 && html`<label class="block">${t("web.access.address")}
        <select class="field" value=${place} onChange=${(/** @type {any} */ event) => setPlace(Number(event.target.value))}>
          ${made.links.map((each, number) => html`<option key=${each} value=${number}>${new URL(each).origin}</option>`)}
        </select></label>`}
      <${CopyText} text=${link} label=${t("web.access.copy_link")} />
      <div class="row"><${Press} class="button" onClick=${make}>${t("web.access.another_link")}<//></div>
      ${!link.startsWith("https:") && html`<p class="notice">${t("web.access.open_plain")}</p>`}
    </div>
  </div>`;
}

const QUIET = 4; // modules around it, as ISO/IEC 18004 wants

/** Dark on light whatever the theme: cameras look for that. @param {{rows: string[], label: string}} props */
export function QrCode({ rows, label }) {
  const size = rows.length + 2 * QUIET;
  const dark = rows.flatMap((row, y) => [...row.matchAll(/1+/g)].map((run) => `M${run.index + QUIET} ${y + QUIET}h${run[0].length}v1h-${run[0].length}z`));
  return html`<svg class="qr" role="img" aria-label=${label} viewBox=${`0 0 ${size} ${size}`} shape-rendering="crispEdges">
    <rect width=${size} height=${size} class="qr-light" /><path d=${dark.join("")} class="qr-dark" />
  </svg>`;
}
