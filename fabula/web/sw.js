// Keeps the app's own files, so that it opens at once, and opens at all while the studio is away. The page itself always
// comes from the studio when that answers, so an updated studio is never shown old. What the API says is never kept.
// @ts-check
/// <reference lib="webworker" />

const scope = /** @type {any} */ (self);
const VERSION = "{{version}}";
const KEPT = `fabula ${VERSION}`;
const HOME = new URL("./", scope.location.href);
const FILES = `${HOME.pathname}web/`;

/** The page, and what it names. */
async function keepShell() {
  const page = await fetch(HOME, { headers: { Accept: "text/html" }, cache: "no-cache" });
  const names = [...(await page.clone().text()).matchAll(/href="(web\/[^"]+)"/g)].map((found) => found[1]);
  const cache = await caches.open(KEPT);
  await cache.put(HOME, page);
  await Promise.all(names.map((name) => keepFile(cache, new URL(name, HOME))));
}

/** A file's address holds its version: what is there needs no second look. @param {Cache} cache @param {URL} address */
async function keepFile(cache, address) {
  if (!(await cache.match(address))) await cache.add(address);
}

async function forgetOthers() {
  const names = (await caches.keys()).filter((name) => name.startsWith("fabula ") && name !== KEPT);
  await Promise.all(names.map((name) => caches.delete(name)));
}

/** @param {Request} request */
async function pageFor(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await (await caches.open(KEPT)).match(HOME);
    if (kept) return kept;
    throw error;
  }
}

/** @param {Request} request */
async function fileFor(request) {
  const cache = await caches.open(KEPT);
  const kept = await cache.match(request);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}

scope.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(keepShell().then(() => scope.skipWaiting())));
scope.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(forgetOthers().then(() => scope.clients.claim())));

scope.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  const address = new URL(request.url);
  if (request.method !== "GET" || address.origin !== HOME.origin) return;
  if (address.pathname.startsWith(FILES)) event.respondWith(fileFor(request));
  else if (request.mode === "navigate" && address.pathname === HOME.pathname) event.respondWith(pageFor(request));
});
