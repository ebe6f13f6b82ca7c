// The only fetch of the app: JSON requests, typed errors and event streams that resume. Knows no view and no state.
// @ts-check
import { signal } from "@preact/signals";
import { language, t } from "./texts.js";

// The studio may live under a prefix: everything before /web/ in this module's own address.
const [BASE, FILES] = new URL(import.meta.url).pathname.split("/web/");
const ROOT = `${BASE}/api/fabula/v1`;
/** Where a browser shows its key, once. */
const LOGIN = `${BASE}/login`;
/** Of the files that run here. */
export const VERSION = FILES.split("/")[0];
const BACK_OFF_MS = [250, 500, 1000, 2000, 5000];

/** What the studio refused, or that it could not be reached (`unreachable`, status 0). */
export class ApiError extends Error {
  /** @param {{code: string, message: string, fields?: Record<string, any>}} error @param {number} status */
  constructor(error, status) {
    super(error.message);
    this.code = error.code;
    this.fields = error.fields ?? {};
    this.status = status;
  }
}

/** @typedef {{language: string, asked: Map<string, {answer: Promise<Response>, end: AbortController}>}} Ahead */

const AHEAD_MS = 30_000; // after the page was begun: whoever asks later wants to know what is so then

/** What early.js has asked for while this code was on its way, once. @param {string} address @param {AbortSignal | null} [signal] */
function askedAhead(address, signal) {
  const { language: spoken, asked } = /** @type {{ahead?: Ahead}} */ (window).ahead ?? {};
  if (!asked?.size) return null;
  if (spoken !== language.value || performance.now() > AHEAD_MS) {
    for (const { end } of asked.values()) end.abort();
    asked.clear();
  }
  const one = asked.get(address);
  asked.delete(address);
  signal?.addEventListener("abort", () => one?.end.abort());
  return one?.answer ?? null;
}

/** How much of what somebody did is on its way to the studio. */
export const sending = signal(0);
const LOAD = /\/load$/; // lasts as long as it lasts, and is told of where it can be seen

/** @param {string} path @param {RequestInit} [options] */
async function request(path, options = {}) {
  const counts = (options.method ?? "GET") !== "GET" && !LOAD.test(path);
  if (!counts) return ask(path, options);
  sending.value += 1;
  try {
    return await ask(path, options);
  } finally {
    sending.value -= 1;
  }
}

/** @param {string} path @param {RequestInit} options */
async function ask(path, options) {
  const headers = { "Accept-Language": language.value, ...options.headers };
  const { method = "GET", signal: ends } = options;
  let response;
  try {
    response = await ((method === "GET" && askedAhead(ROOT + path, ends)) || fetch(ROOT + path, { ...options, headers }));
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError({ code: "unreachable", message: t("web.error.unreachable") }, 0);
  }
  if (response.status === 401) location.replace(LOGIN);
  if (!response.ok) throw await refusal(response);
  return response;
}

/** @param {Response} response */
async function refusal(response) {
  const body = await response.json().catch(() => null);
  const fallback = { code: `http_${response.status}`, message: t("web.error.http", { status: response.status }) };
  return new ApiError(body?.error ?? fallback, response.status);
}

let leaving = false;
const KEPT_ALIVE = 60_000; // bytes; browsers refuse to keep requests of more than 64 KiB alive without their page

/** @param {string} method @param {string} path @param {unknown} [body] @param {AbortSignal} [signal] */
async function send(method, path, body, signal) {
  const told = body === undefined ? undefined : JSON.stringify(body);
  const response = await request(path, {
    method,
    signal,
    headers: told === undefined ? {} : { "Content-Type": "application/json" },
    body: told,
    keepalive: leaving && method !== "GET" && new Blob([told ?? ""]).size < KEPT_ALIVE,
  });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** @param {string} path @returns {Promise<any>} */
export const get = (path) => send("GET", path);
/** @param {string} path @param {unknown} [body] @param {AbortSignal} [signal] @returns {Promise<any>} */
export const post = (path, body = {}, signal) => send("POST", path, body, signal);
/** @param {string} path @param {unknown} body @returns {Promise<any>} */
export const patch = (path, body) => send("PATCH", path, body);
/** @param {string} path @param {unknown} body @returns {Promise<any>} */
export const put = (path, body) => send("PUT", path, body);
/** Whether what is sent from now on has to arrive without the page. @param {boolean} on */
export const outlive = (on) => (leaving = on);
/** A file as it is. @param {string} path @param {Blob} content @returns {Promise<any>} */
export async function upload(path, content) {
  const headers = { "Content-Type": "application/octet-stream" };
  return (await request(path, { method: "POST", headers, body: content })).json();
}
/** A file in place of what is there. @param {string} path @param {Blob} content @returns {Promise<any>} */
export async function lay(path, content) {
  const headers = { "Content-Type": "application/octet-stream" };
  return (await request(path, { method: "PUT", headers, body: content })).json();
}

/** Lets the browser keep a file that a request answers with. @param {string} path @param {unknown} body @param {string} name */
export async function download(path, body, name) {
  const headers = { "Content-Type": "application/json" };
  saveAs(await (await request(path, { method: "POST", headers, body: JSON.stringify(body) })).blob(), name);
}

/** @param {Blob} content @param {string} name */
export function saveAs(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** The text of a file. @param {string} path @returns {Promise<string>} */
export const text = async (path) => (await request(path)).text();
/** Where a picture of the API lies. @param {string} path */
export const addressOf = (path) => ROOT + path;
/** @param {string} path @returns {Promise<any>} */
export const remove = (path) => send("DELETE", path);

/**
 * Follow an event stream until `onEvent` returns true or `signal` aborts. A broken connection is taken up again
 * after the last event that was seen (without `resume`: from now on). Refusals (a turn that is gone) are thrown.
 * @param {string} path
 * @param {(event: {id: number, kind: string, data: any}) => boolean | void} onEvent
 * @param {{signal: AbortSignal, resume?: boolean, onBreak?: () => void, onOpen?: () => void}} options
 */
export async function follow(path, onEvent, { signal, resume = true, onBreak, onOpen }) {
  let last = 0;
  for (let failures = 0; !signal.aborted; failures += 1) {
    if (failures) await pause(BACK_OFF_MS[Math.min(failures, BACK_OFF_MS.length) - 1], signal);
    try {
      const headers = { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": String(last) } : {}) };
      const response = await request(path, { headers, signal });
      onOpen?.();
      for await (const event of events(response)) {
        if (resume && event.id) last = event.id;
        failures = 0;
        if (onEvent(event)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) throw error;
    }
    onBreak?.();
  }
}

/** What a request answers event by event, until its end or `signal`. @param {string} path @param {unknown} body @param {AbortSignal} signal */
export async function* stream(path, body, signal) {
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
  yield* events(await request(path, { method: "POST", headers, body: JSON.stringify(body), signal }));
}

/** The events of a response body. Comment lines (pings) are dropped. @param {Response} response */
async function* events(response) {
  const reader = /** @type {ReadableStream} */ (response.body).pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      buffer += value.replaceAll("\r\n", "\n");
      const blocks = buffer.split("\n\n");
      buffer = /** @type {string} */ (blocks.pop());
      for (const block of blocks) {
        const event = parse(block);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => null);
  }
}

/** @param {string} block */
function parse(block) {
  const event = { id: 0, kind: "message", data: "" };
  for (const line of block.split("\n")) {
    if (line.startsWith("id:")) event.id = Number(line.slice(3));
    else if (line.startsWith("event:")) event.kind = line.slice(6).trim();
    else if (line.startsWith("data:")) event.data += line.slice(5);
  }
  return event.data ? { ...event, data: JSON.parse(event.data) } : null;
}

/** @param {number} ms @param {AbortSignal} signal */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve(null)), { once: true });
  });
}

/** The message file of a language, as nested JSON: one of the app's own files, kept like them. @param {string} name */
export async function texts(name) {
  const address = new URL(`texts/${name}.json`, import.meta.url);
  const response = await (askedAhead(address.pathname) ?? fetch(address));
  if (!response.ok) throw new Error(`texts/${name}: ${response.status}`);
  return response.json();
}

/** The version of the files that the studio serves now; "" where it does not answer. */
export async function servedVersion() {
  const page = await fetch(`${BASE}/`, { headers: { Accept: "text/html" }, cache: "no-store" }).then((response) => response.text(), () => "");
  return /"web\/([^/"]+)\//.exec(page)?.[1] ?? "";
}

/** Lets the browser keep what lies under an address of the API. @param {string} path */
export function keep(path) {
  const link = document.createElement("a");
  link.href = addressOf(path);
  link.download = "";
  link.click();
}

/**
 * A line of its own: what is handed to it is done one after the other. Leaving a field by a click on another one makes two
 * changes at once, and the second must know the revision that the first brought.
 */
export function newLine() {
  let last = Promise.resolve(/** @type {any} */ (null));
  return (/** @type {() => Promise<any>} */ work) => (last = last.then(work, work));
}

/** @type {Map<string, Promise<any>>} */
const underWay = new Map();

/**
 * Asked for again while it is under way, it is not begun anew: who presses twice wants it once.
 * @template Answer @param {string} name tells what is the same @param {() => Promise<Answer>} work @returns {Promise<Answer>}
 */
export function once(name, work) {
  const now = underWay.get(name) ?? work().finally(() => underWay.delete(name));
  underWay.set(name, now);
  return now;
}
