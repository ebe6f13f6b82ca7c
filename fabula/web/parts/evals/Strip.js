// Shares with their intervals on one line from nothing to all, and where guessing would lie. Knows no probe.
// @ts-check
import { html } from "../html.js";

/** @import { Share } from "./words.js" */

const WIDTH = 150;
const ROW = 9; // pixels

/** Its numbers stand beside it. @param {{shares: Share[], chance?: number | null}} props the last is drawn full */
export function Strip({ shares, chance }) {
  const height = ROW * shares.length + 3;
  const at = (/** @type {number} */ share) => 4 + share * (WIDTH - 8);
  return html`<svg class="strip" aria-hidden="true" width=${WIDTH} height=${height} viewBox=${`0 0 ${WIDTH} ${height}`}>
    <path class="strip-ends" d=${`M${at(0)} 0V${height}M${at(1)} 0V${height}`} />
    ${chance && html`<path class="strip-chance" d=${`M${at(chance)} 0V${height}`} />`}
    ${shares.map(({ share, low, high }, number) => {
      const y = ROW * number + 6;
      return html`<g key=${number} class=${number === shares.length - 1 ? "strip-now" : "strip-was"}><path d=${`M${at(low)} ${y}H${at(high)}`} /><circle cx=${at(share)} cy=${y} r="3" /></g>`;
    })}
  </svg>`;
}
