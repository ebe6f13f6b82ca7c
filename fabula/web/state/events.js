// What happens in the studio, whoever did it: keeps lists and the open chat fresh. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { loadChats } from "./chats.js";
import { t } from "../texts.js";
import { jobChanged, loadSystem, modelsChanged } from "./system.js";
import { tell } from "./toasts.js";

const LIST_DELAY_MS = 150; // several changes in a row read the list once
const HIDDEN_MS = 10_000; // browsers allow six connections to one address: hidden tabs give theirs back

export const unreachable = signal(false);

/** @type {Map<string, Set<(data: any) => void>>} */
const listeners = new Map();

/**
 * Hear of what happens: "chat", "models", "job" … with what is told of it, and "open" whenever the studio is heard
 * again, which it may have been long ago. Answers how to stop.
 * @param {string} kind @param {(data: any) => void} hear
 */
export function listenFor(kind, hear) {
  const those = listeners.get(kind) ?? new Set();
  listeners.set(kind, those.add(hear));
  return () => void those.delete(hear);
}

/** @param {string} kind @param {any} [data] */
const announce = (kind, data) => listeners.get(kind)?.forEach((hear) => hear(data));

let reader = new AbortController();
let listTimer = 0;
let hiddenTimer = 0;

/** @param {{kind: string, data: any}} event */
function take({ kind, data }) {
  if (kind === "models") modelsChanged(data.running);
  else if (kind === "job") jobChanged(data);
  else if (kind === "appearance") loadSystem();
  else if (kind === "chat") {
    clearTimeout(listTimer);
    listTimer = setTimeout(loadChats, LIST_DELAY_MS);
  }
  announce(kind, data);
}

/** Also at the first time: what happened between the first reading and this moment was announced to nobody. */
function opened() {
  const wasAway = unreachable.value;
  unreachable.value = false;
  if (wasAway) refresh(), tellOfUpdate();
  announce("open");
}

/** A studio that was away may be a newer one; what is being typed is not thrown away for it. */
async function tellOfUpdate() {
  const now = await api.servedVersion();
  if (!now || now === api.VERSION) return;
  tell(t("web.updated"), { stays: true, action: { label: t("web.read_again"), run: () => location.reload() } });
}

/** Whatever happened while nobody listened. */
function refresh() {
  loadSystem();
  loadChats();
}

function listen() {
  reader.abort();
  reader = new AbortController();
  const onBreak = () => (unreachable.value = true);
  api.follow("/events", take, { signal: reader.signal, resume: false, onBreak, onOpen: opened });
}

function visibilityChanged() {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = setTimeout(() => reader.abort(), HIDDEN_MS);
  else if (reader.signal.aborted) {
    listen();
    refresh();
  }
}

export function start() {
  listen();
  loadSystem();
  loadChats();
  document.addEventListener("visibilitychange", visibilityChanged);
}
