// Names of sets and sides as a person says them. Pure.
// @ts-check
import { hasText, t } from "../../texts.js";

/** @param {string} pole */
const poleWords = (pole) => (hasText(`web.directions.poles.${pole}`) ? t(`web.directions.poles.${pole}`) : pole);

/** The two poles of a set that ships. @param {string} name */
export const polesOf = (name) => name.split("-").map(poleWords);

/** @param {string} path */
const fileOf = (path) => path.split(/[\\/]/).at(-1) ?? path;

/** The two sides that a direction was learned from, the positive one first. @param {{positive: string, negative: string}} sides */
export const namesOf = ({ positive, negative }) => (negative ? [fileOf(positive), fileOf(negative)] : polesOf(positive));

/** What its file lacks, "" where it has all of it. @param {{missing: string[]}} direction */
export const missingOf = ({ missing }) => missing.map((part) => t(`web.directions.origins.${part}`)).join(", ");

/** A share that may be too small to tell. @param {number} value */
export const shareWords = (value) => (value >= 0.0001 ? `${(value * 100).toFixed(2)} %` : "< 0.01 %");

/** @param {number} scale */
export const scaleWords = (scale) => `${scale > 0 ? "+" : ""}${Number(scale.toFixed(2))}`.replace("-", "−");
