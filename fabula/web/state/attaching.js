// Pictures and texts that go with the message that is being written. Knows the open chat, and no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { chat } from "./chat.js";
import { isStory } from "./story.js";
import { loadSystem, modelOf, models } from "./system.js";
import { tell, tellError } from "./toasts.js";

/** @typedef {{kind: "picture", name: string, ref: string, address: string} | {kind: "text", name: string, text: string}} Attached */

const MOST_TEXT = 200_000; // characters: more than any window; such texts belong into the chat's memory
const PICTURE = /^image\/(png|jpeg|gif|bmp|webp|avif)$/;
const CHATS = /\.(jsonl?|zip|charx|ya?ml|byaf)$/i;
const TEXT = /^(text\/|application\/(json|xml|x-sh|javascript|x-yaml|toml))/;
const TEXT_NAMES = /\.(txt|md|markdown|csv|tsv|log|json|ya?ml|toml|ini|xml|html?|css|js|ts|py|rs|go|c|h|cpp|java|kt|sh|sql|tex|srt)$/i;

/** By chat, so that another chat does not get them. */
const all = signal(/** @type {Record<string, Attached[]>} */ ({}));

/** @param {string} id of a chat */
export const attachedTo = (id) => all.value[id] ?? [];

/** Chats with nothing attached leave no trace: a page sees thousands of them. @param {string} id @param {Attached[]} list */
function set(id, list) {
  const { [id]: before, ...others } = all.value;
  if (list.length) all.value = { ...others, [id]: list };
  else if (before) all.value = others;
}

/** @param {string} id */
export const detachAll = (id) => set(id, []);

/** @param {string} id @param {Attached} one */
export const detach = (id, one) => set(id, attachedTo(id).filter((other) => other !== one));

/** @param {string} id @param {Attached[]} list */
export const attachAgain = (id, list) => set(id, [...list, ...attachedTo(id)]); // what was attached meanwhile stays

/** @param {File} file */
const isPicture = (file) => PICTURE.test(file.type);

/** What is dropped on a chat and is neither a chat nor a card. @param {File} file */
export const isAttachable = (file) => isPicture(file) || (!CHATS.test(file.name) && (TEXT.test(file.type) || TEXT_NAMES.test(file.name)));

/** @param {File[]} files */
export async function attach(files) {
  const now = chat.value;
  if (!now) return;
  for (const file of files) {
    const one = await (isPicture(file) ? pictureOf(file) : textOf(file)).catch((error) => (tellError(error), null));
    if (one) set(now.id, [...attachedTo(now.id), one]);
  }
}

/** Refused where nobody would see it. @param {File} file @returns {Promise<Attached | null>} */
async function pictureOf(file) {
  const name = chat.value?.model ?? "";
  if (!models.value) await loadSystem(); // before that nobody knows what it sees
  const refusal = isStory(chat.value) ? t("web.attach.story") : modelOf(name)?.sees_images === false ? t("errors.sees_no_images", { name }) : "";
  if (refusal) return tell(refusal, { kind: "error" }), null;
  const kept = await api.upload("/chats/attachments", await readable(file));
  return { kind: "picture", name: file.name || t("web.attach.picture"), ref: kept.name, address: api.addressOf(`/chats/attachments/${kept.name}`) };
}

/** Engines do not read every kind of picture: others become PNG. @param {File} file @returns {Promise<Blob>} */
async function readable(file) {
  if (!/webp|avif/.test(file.type)) return file;
  const picture = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d")?.drawImage(picture, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** @param {File} file @returns {Promise<Attached | null>} */
async function textOf(file) {
  const text = await file.text();
  if (text.includes("\0") || text.includes("\ufffd")) return tell(t("web.attach.no_text", { name: file.name }), { kind: "error" }), null;
  if (text.length > MOST_TEXT) return tell(t("web.attach.too_long", { name: file.name, characters: text.length, most: MOST_TEXT }), { kind: "error" }), null;
  return { kind: "text", name: file.name, text };
}

/** The message with what is attached: pictures above what is said, texts below. @param {string} said @param {Attached[]} list */
export function composed(said, list) {
  const pictures = list.map((one) => one.kind === "picture" && `![${one.name.replace(/[[\]\n]/g, " ")}](attachment:${one.ref})`);
  const texts = list.map((one) => one.kind === "text" && fenced(one.name, one.text));
  return [pictures.filter(Boolean).join("\n"), said, ...texts].filter(Boolean).join("\n\n");
}

/** @param {string} name @param {string} text */
function fenced(name, text) {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  return `**${name}**\n\n${fence}${/\.(\w+)$/.exec(name)?.[1] ?? ""}\n${text.replace(/\n$/, "")}\n${fence}`;
}
