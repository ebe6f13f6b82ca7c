// How the app looks: this browser's own choices, or those that hold on all of a person's devices. Knows no page.
// @ts-check
import { computed, effect, signal } from "@preact/signals";
import * as api from "../api.js";
import { reading, theme } from "./prefs.js";
import { system } from "./system.js";
import { tellError } from "./toasts.js";

/** @import { Appearance, Look } from "../types.d.ts" */

/** Those of the studio, for before it is asked. @type {Look} */
export const DEFAULTS = {
  theme: "auto", accent: "teal", chat: "document", reading: "serif", size: 17.5, line: 0, width: 42.5,
  background: "", veil: 0.85, avatars: false, times: false, numbers: true,
};
const OWN = "fabula.look";

/** @returns {Partial<Look>} what this browser chose; theme and reading font have places of their own */
function remembered() {
  try {
    return JSON.parse(localStorage.getItem(OWN) ?? "{}");
  } catch {
    return {};
  }
}

const own = signal(remembered());
/** What holds on all devices; null where each has its own. */
export const shared = signal(/** @type {Look | null} */ (null));
/** Names one state of the person's own style sheet, "" where there is none. */
export const styleStamp = signal(localStorage.getItem("fabula.style") ?? "");
/** Whether this browser leaves that style sheet out. */
export const plain = signal(localStorage.getItem("fabula.plain") === "yes");
export const pictures = signal(/** @type {Appearance["pictures"]} */ ([]));

/** @type {import("@preact/signals").ReadonlySignal<Look>} */
export const look = computed(() => shared.value ?? { ...DEFAULTS, ...own.value, theme: theme.value, reading: reading.value });

effect(() => localStorage.setItem(OWN, JSON.stringify(own.value)));
effect(() => localStorage.setItem("fabula.plain", plain.value ? "yes" : "no"));
effect(() => localStorage.setItem("fabula.style", styleStamp.value));

const inLine = api.newLine();
let told = /** @type {Look | null} */ (null); // what is shared, as the studio said last
let changing = 0; // own changes that are on their way
let changedAt = 0; // when the last one was done

/** Whether what was asked for then tells of the look as it is after all own changes. @param {number} askedAt */
const isNews = (askedAt) => !changing && askedAt >= changedAt;

// What is shared arrives with what is told of the machine, and again whenever it changes.
effect(() => {
  const now = system.value;
  if (now && isNews(now.asked_at)) take(now.appearance);
});

// Theme and font may be changed from elsewhere (the palette): where the look is shared, that is a change of all devices.
effect(() => {
  if (shared.value) {
    theme.value = shared.value.theme;
    reading.value = shared.value.reading;
  }
});
effect(() => {
  const now = { theme: theme.value, reading: reading.value };
  const held = shared.peek();
  if (held && (held.theme !== now.theme || held.reading !== now.reading)) choose(now);
});

/** @param {{shared: Look | null, style: string}} news */
function take(news) {
  shared.value = told = news.shared;
  styleStamp.value = news.style;
}

/**
 * One change after the other; what they bring is worn when the last one is done, so that none undoes a later one.
 * @param {() => Promise<Appearance>} ask @returns {Promise<Appearance | null>} null where it was refused, which is told
 */
async function changed(ask) {
  changing += 1;
  const answer = await inLine(ask).catch((error) => (tellError(error), null));
  changing -= 1;
  changedAt = performance.now();
  if (answer) pictures.value = answer.pictures;
  if (!changing && answer) take(answer);
  else if (!changing) shared.value = told;
  return answer;
}

/** All that there is to choose from. @returns {Promise<Appearance>} */
export async function loadLook() {
  const askedAt = performance.now();
  const answer = await api.get("/appearance");
  pictures.value = answer.pictures;
  if (isNews(askedAt)) take(answer);
  return answer;
}

/** @param {Partial<Look>} changes worn at once, and taken back where the studio refuses them */
export async function choose(changes) {
  if (shared.peek()) {
    shared.value = { .../** @type {Look} */ (shared.peek()), ...changes };
    return changed(() => api.put("/appearance", changes));
  }
  const { theme: paint = theme.peek(), reading: font = reading.peek(), ...rest } = changes;
  theme.value = paint;
  reading.value = font;
  own.value = { ...own.peek(), ...rest };
  return null;
}

/** What is worn here is worn everywhere from now on, or each device has its own again. @param {boolean} everywhere */
export async function share(everywhere) {
  const { theme: paint, reading: font, ...rest } = look.peek();
  if (everywhere) {
    const all = (shared.value = { ...look.peek() });
    return changed(() => api.put("/appearance", all));
  }
  own.value = rest;
  theme.value = paint;
  reading.value = font;
  shared.value = null;
  return changed(() => api.remove("/appearance"));
}

/** Everything as it came, the style sheet and the pictures apart. */
export const reset = () => choose(DEFAULTS);

/** @param {string} style "" takes it away */
export const dress = (style) => changed(() => api.put("/appearance/style", { style }));

/** Where the person's own style sheet lies, as it is now. */
export const styleAddress = () => `${api.addressOf("/appearance/style")}?v=${styleStamp.value}`;

/** @param {string} id */
export const pictureAddress = (id) => api.addressOf(`/appearance/pictures/${id}`);

/** @param {File} file */
export async function hang(file) {
  try {
    const { id } = await api.upload("/appearance/pictures", file);
    await choose({ background: id });
    await loadLook();
  } catch (error) {
    tellError(error);
  }
}

/** @param {string} id */
export async function takeDown(id) {
  if (look.peek().background === id) await choose({ background: "" });
  return changed(() => api.remove(`/appearance/pictures/${id}`));
}

/** The style sheet's text, to edit; null where it cannot be had. @returns {Promise<string | null>} */
export const loadStyle = () => api.text("/appearance/style").catch(() => null);
