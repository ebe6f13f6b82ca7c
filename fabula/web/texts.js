// What people read, in the language they chose. The placeholders and their formats are those of core/texts.
// Knows no view.
// @ts-check
import { batch, signal } from "@preact/signals";
import { get, texts } from "./api.js";

export const LANGUAGES = /** @type {const} */ (["en", "zh-Hant", "zh-Hans"]);
/** Each language in its own words: these three are the same in every language. */
export const LANGUAGE_NAMES = { en: "English", "zh-Hant": "繁體中文", "zh-Hans": "简体中文" };

const STORED = "fabula.language";
const PLACEHOLDER = /\{(\w+)(?::(\w+))?\}/g;
const UNITS = ["B", "KiB", "MiB", "GiB"];

/** The best of LANGUAGES, as early.js chooses. @type {(wanted: readonly string[]) => string} */
export const chooseLanguage = /** @type {any} */ (window).chooseLanguage;

/** At first what early.js chose before anything was asked. */
export const language = signal(document.documentElement.lang);
/** "" = as the studio says, or else the browser. */
export const chosenLanguage = signal(localStorage.getItem(STORED) ?? "");
const catalogue = signal(/** @type {{tree: any, known: Map<string, string | null>}} */ ({ tree: {}, known: new Map() }));

/** What people read is there from then on. */
export const loadTexts = () => speak(language.value);

/** Switch the language, live. "" follows the studio's setting, else the browser. @param {string} name */
export async function setLanguage(name) {
  await speak(chooseLanguage([name || (await studioLanguage()), ...navigator.languages]));
  if (name) localStorage.setItem(STORED, name);
  else localStorage.removeItem(STORED);
  chosenLanguage.value = name;
}

/** @param {string} next */
async function speak(next) {
  const tree = await texts(next);
  batch(() => {
    language.value = next;
    catalogue.value = { tree, known: new Map() };
  });
  document.documentElement.lang = next;
}

/** What the studio's own setting says, "" when it leaves it to the browser. @returns {Promise<string>} */
async function studioLanguage() {
  const answer = await get("/settings").catch(() => ({ settings: [] }));
  return answer.settings.find((/** @type {{name: string}} */ setting) => setting.name === "language")?.value ?? "";
}

/** The sentence for a key as it stands in the file, null where there is none: of five thousand, a page needs some. @param {string} key */
function sentenceOf(key) {
  const { tree, known } = catalogue.value;
  let found = known.get(key);
  if (found === undefined) {
    const end = key.split(".").reduce((part, name) => part?.[name], tree);
    known.set(key, (found = typeof end === "string" ? end : null));
  }
  return found;
}

/** The sentence for a key, filled in; an unknown key is shown as itself. @param {string} key @param {Record<string, any>} [fields] */
export function t(key, fields = {}) {
  const sentence = sentenceOf(key) ?? key;
  return sentence.replace(PLACEHOLDER, (whole, name, style) => {
    if (!(name in fields)) return whole;
    return style ? FORMATS[style](fields[name]) : String(fields[name]);
  });
}

/** @param {string} key */
export const hasText = (key) => sentenceOf(key) !== null;

/** Ties go to the even digit, as in Python. @param {number} value @param {number} digits */
function fixed(value, digits) {
  const halves = value * 2 ** (digits + 1);
  const isTie = Number.isInteger(halves) && halves % 2 !== 0;
  if (!isTie) return value.toFixed(digits);
  const low = Math.floor(value * 10 ** digits);
  return ((low % 2 ? low + 1 : low) / 10 ** digits).toFixed(digits);
}

/** @param {string} digits */
const grouped = (digits) => digits.replace(/^(-?\d+)/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));

/** Binary units with one decimal: 9771050598 → "9.1 GiB". @param {number} value */
export function asBytes(value) {
  let size = value;
  for (const unit of UNITS) {
    if (Math.abs(size) < 1024) return `${fixed(size, unit === "B" ? 0 : 1)} ${unit}`;
    size /= 1024;
  }
  return `${fixed(size, 1)} TiB`;
}

/** Seconds as a short span: 0.4 → "0.4 s", 75 → "1:15". @param {number} seconds */
export function asDuration(seconds) {
  if (seconds < 60) return seconds < 10 ? `${fixed(seconds, 1)} s` : `${fixed(seconds, 0)} s`;
  const whole = Number(fixed(seconds, 0));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** @type {Record<string, (value: any) => string>} */
export const FORMATS = {
  bytes: asBytes,
  number: (value) => grouped(String(value)),
  decimal: (value) => grouped(fixed(value, 1)),
  percent: (value) => `${fixed(value * 100, 0)}%`,
  duration: asDuration,
};
