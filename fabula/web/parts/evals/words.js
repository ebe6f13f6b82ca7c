// How shares, ranges and faults are said. Pure; knows no screen.
// @ts-check
import { FORMATS, t } from "../../texts.js";

/** @typedef {{right: number, share: number, low: number, high: number}} Share */

/** @param {number} value */
const percent = (value) => FORMATS.percent(value);

/** @param {Share} row */
export const shareOf = ({ share }) => percent(share);

/** Of 95 %. @param {Share} row */
export const rangeOf = ({ low, high }) => t("web.probes.range", { low: percent(low), high: percent(high) });

/** With its sign: a true minus, as figures have it. @param {number} value */
const points = (value) => `${value < 0 ? "−" : "+"}${Math.abs(Math.round(value * 100))}`;

/** @param {{value: number, low: number, high: number}} change */
export const changeOf = ({ value, low, high }) => t("web.probes.points", { value: points(value), low: points(low), high: points(high) });

/** @param {number} p */
export const chanceOf = (p) => t("web.probes.p", { value: p < 0.001 ? "< 0.001" : p.toFixed(3) });

/** A broken rule in words, with the words that broke it. @param {string} fault */
export function faultOf(fault) {
  const cut = fault.indexOf(": ");
  const rule = t(`evals.probes.rules.${cut < 0 ? fault : fault.slice(0, cut)}`);
  return cut < 0 ? rule : `${rule}: ${fault.slice(cut + 2)}`;
}

/** @typedef {{key: string, name: string, about: string, row: any, part: "groups" | "languages" | "total"}} Line */

/** All lines of a table: groups, languages, all together. @param {any} found @returns {Line[]} */
export const linesOf = (found) => [
  { key: "total", name: t("evals.probes.total"), about: "", row: found.total, part: "total" },
  ...found.groups.map((/** @type {any} */ row) => ({ key: row.group, name: t(`evals.probes.groups.${row.group}`), about: t(`evals.probes.abouts.${row.group}`), row, part: "groups" })),
  ...(found.languages.length > 1 ? found.languages.map((/** @type {any} */ row) => ({ key: row.language, name: t(`evals.probes.languages.${row.language}`), about: "", row, part: "languages" })) : []),
];

const SURE = 0.05; // p from which on a change is no longer put down to chance

/** @param {any} total */
export function verdictOf({ count, worse, better, change, p }) {
  const which = !(worse + better) ? "same" : p >= SURE ? "chance" : change.value < 0 ? "worse" : "better";
  return t(`evals.probes.verdicts.${which}`, { count, worse, better });
}
