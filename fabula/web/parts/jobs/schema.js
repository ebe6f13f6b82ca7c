// What a form's schema says of a field, and what its values become when they are sent. Pure; knows no screen.
// @ts-check

/** @import { FieldOf, SchemaOf } from "../../types.d.ts" */
/** @typedef {Record<string, any>} Values */
/** @typedef {"model" | "quantization" | "file" | "text" | "choice" | "switch" | "number" | "lines" | "group" | "json" | "word"} Look */

/** A field that may be left open is what it is otherwise. @param {FieldOf} field @returns {FieldOf & {open?: boolean}} */
export function settled(field) {
  const others = (field.anyOf ?? []).filter((one) => one.type !== "null");
  if (!field.anyOf) return field;
  const open = others.length < field.anyOf.length;
  return others.length === 1 ? { ...others[0], ...field, type: others[0].type, open } : { ...field, type: undefined, open };
}

const WIDGETS = /** @type {Look[]} */ (["model", "quantization", "file", "text"]);

/** @param {FieldOf} whole @returns {Look} */
export function lookOf(whole) {
  const field = settled(whole);
  const widget = WIDGETS.find((name) => name === field.widget);
  if (widget) return widget;
  if (field.enum) return "choice";
  if (field.type === "boolean") return field.anyOf ? "choice" : "switch";
  if (field.type === "number" || field.type === "integer") return "number";
  if (field.type === "array") return ["string", "number", "integer"].includes(field.items?.type) ? "lines" : "json";
  if (field.type === "object") return field.properties ? "group" : "json";
  return field.type === "string" ? "word" : "json";
}

/** What the fields hold before anybody fills them in. @param {SchemaOf | FieldOf} schema @param {Values} [given] @returns {Values} */
export function initial(schema, given = {}) {
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => [name, shown(field, given[name] ?? field.default)]);
  return Object.fromEntries(rows);
}

/** A value as its field shows it. @param {FieldOf} field @param {any} value */
function shown(field, value) {
  const look = lookOf(field);
  if (look === "group") return initial(field, value ?? {});
  if (look === "switch") return Boolean(value);
  if (value === undefined || value === null) return "";
  if (look === "lines") return Array.isArray(value) ? value.join("\n") : String(value);
  return look === "json" ? (typeof value === "string" ? value : JSON.stringify(value)) : value;
}

/** What is sent: what differs from what is usual. @param {SchemaOf | FieldOf} schema @param {Values} values @returns {Values} */
export function collected(schema, values) {
  const rows = Object.entries(schema.properties ?? {})
    .map(([name, field]) => [name, sent(field, values[name]), field])
    .filter(([name, value, field]) => value !== undefined && (schema.required?.includes(name) || !same(value, field.default)));
  return Object.fromEntries(rows.map(([name, value]) => [name, value]));
}

/** @param {any} one @param {any} other */
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** undefined where nothing was said. @param {FieldOf} whole @param {any} value */
function sent(whole, value) {
  const field = settled(whole);
  const look = lookOf(whole);
  if (look === "group") return collected(field, value ?? {});
  if (look === "switch") return Boolean(value);
  if (value === "" || value === undefined) return field.type === "string" && !field.open ? "" : undefined;
  if (look === "number") return Number(value);
  if (look === "choice" && field.type === "boolean") return value === true || value === "true";
  if (look === "lines") return listed(field, String(value));
  return look === "json" ? parsed(value) : value;
}

/** @param {FieldOf} field @param {string} text */
function listed(field, text) {
  const parts = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return field.items?.type === "string" ? parts : parts.map(Number);
}

/** Text that is no JSON is sent as it is: the studio says what it expects. @param {any} value */
function parsed(value) {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
