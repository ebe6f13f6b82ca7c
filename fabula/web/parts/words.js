// Small wordings that several parts share: models in a line, sentences in a row. Knows no view.
// @ts-check
import { asBytes, language, t } from "../texts.js";

/** 134515008 → "135M parameters", 8190000000 → "8.2B parameters"; "" for what is too small. @param {number} number */
export function parametersOf(number) {
  if (number < 1e6) return "";
  const count = number < 1e9 ? `${Math.round(number / 1e6)}M` : `${(number / 1e9).toFixed(number < 1e10 ? 1 : 0)}B`;
  return t("web.model.parameters", { count });
}

/** Sentences one after the other: Chinese ones have no space between them. @param {string[]} sentences */
export const sentences = (sentences) => sentences.filter(Boolean).join(language.value.startsWith("zh") ? "" : " ");

/** @param {{parameters: number, quantization: string, size: number}} model */
export function modelNote({ parameters, quantization, size }) {
  return [parametersOf(parameters), quantization, size ? asBytes(size) : ""].filter(Boolean).join(" · ");
}

const DAY_S = 86_400;

/** Today as a time, this year as a day, else the year too. @param {number} seconds Unix time */
export function when(seconds) {
  const date = new Date(seconds * 1000);
  const now = new Date();
  const age = (now.getTime() - date.getTime()) / 1000;
  const isToday = age < DAY_S && date.getDate() === now.getDate();
  const day = /** @type {const} */ ({ day: "numeric", month: "short" });
  /** @type {Intl.DateTimeFormatOptions} */
  const shape = isToday ? { hour: "2-digit", minute: "2-digit" } : date.getFullYear() === now.getFullYear() ? day : { ...day, year: "numeric" };
  return formatOf(language.value, shape).format(date);
}

/** By language and shape: making one takes milliseconds. @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** @param {string} language @param {Intl.DateTimeFormatOptions} shape */
function formatOf(language, shape) {
  const name = `${language} ${Object.keys(shape)}`;
  const known = formats.get(name) ?? new Intl.DateTimeFormat(language, shape);
  formats.set(name, known);
  return known;
}

const IS_MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);
const CALLED = /** @type {Record<string, string>} */ ({ Escape: "Esc", Delete: "Del", Ctrl: IS_MAC ? "⌘" : "Ctrl", Alt: IS_MAC ? "⌥" : "Alt" });

/** "Ctrl-Shift-z" → Ctrl, Shift, Z. @param {string} keys */
export const shownKeys = (keys) => keys.split(/[- ]/).map((key) => CALLED[key] ?? (key.length === 1 ? key.toUpperCase() : key));
