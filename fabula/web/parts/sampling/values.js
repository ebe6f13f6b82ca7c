// Values of controls as texts that can be typed, and back. Knows no control.
// @ts-check

const WHOLE = /^\s*-?\d+\s*$/;

/** @type {Record<string, (value: any) => string>} */
const WRITTEN = {
  texts: (value) => value.map(escaped).join("\n"),
  ids: (value) => value.join(", "),
  steps: (value) => value.join(", "),
  biases: (value) => pairs(value).map(([token, bias]) => `${token} ${bias}`).join("\n"),
};

/** @type {Record<string, (text: string) => any>} null: it cannot be read */
const PARSED = {
  texts: (text) => text.split("\n").filter((line) => line !== "").map(unescaped),
  ids: (text) => numbers(text.split(/[\s,]+/).filter(Boolean)),
  biases: (text) => biases(text.split("\n").filter((line) => line.trim())),
};

/** @param {string} kind @param {any} value */
export const written = (kind, value) => (value === null || value === undefined ? "" : (WRITTEN[kind] ?? plain)(value));

/** @param {string} kind @param {string} text */
export const parsed = (kind, text) => (PARSED[kind] ?? ((/** @type {string} */ same) => same))(text);

/** A schema may be an object. @param {any} value */
const plain = (value) => (typeof value === "object" ? JSON.stringify(value, null, 1) : String(value));

/** A line break within a line. @param {string} text */
const escaped = (text) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");

/** @param {string} text */
const unescaped = (text) => text.replace(/\\(n|\\)/g, (_, sign) => (sign === "n" ? "\n" : "\\"));

/** @param {string[]} words */
const numbers = (words) => (words.every((word) => WHOLE.test(word)) ? words.map(Number) : null);

/** @param {any} value pairs, or an object */
const pairs = (value) => (Array.isArray(value) ? value : Object.entries(value));

/** @param {string[]} lines */
function biases(lines) {
  const rows = lines.map((line) => line.trim().split(/[\s:,]+/));
  const readable = rows.every(([token, bias, ...more]) => !more.length && WHOLE.test(token) && bias !== undefined && (bias === "-inf" || !Number.isNaN(Number(bias))));
  return readable ? rows.map(([token, bias]) => [Number(token), bias === "-inf" ? bias : Number(bias)]) : null;
}
