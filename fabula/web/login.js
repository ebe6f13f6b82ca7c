// The page that asks for a key, once: it becomes a cookie that no script can read. Knows no other page.
// @ts-check

const BASE = new URL(import.meta.url).pathname.split("/web/")[0];
const API = BASE + "/api/fabula/v1";
/** As early.js chose, without the studio's setting: that is told to who was let in. */
const language = document.documentElement.lang;

/** @param {string} path @param {RequestInit} [options] */
async function ask(path, options = {}) {
  const headers = { "Accept-Language": language, "Content-Type": "application/json" };
  const response = await fetch(API + path, { ...options, headers });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error?.message ?? `HTTP ${response.status}`);
  return answer;
}

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @param {{key: string} | {link: string}} shown */
async function signIn(shown) {
  byId("trouble").textContent = "";
  try {
    await ask("/session", { method: "POST", body: JSON.stringify(shown) });
    location.replace(BASE + "/");
  } catch (error) {
    byId("trouble").textContent = /** @type {Error} */ (error).message;
  }
}

async function show() {
  const texts = (await ask(`/texts/${language}`)).web.login;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = texts[/** @type {HTMLElement} */ (element).dataset.text ?? ""];
  }
  /** @type {HTMLElement} */ (document.querySelector("main")).hidden = false;
  byId("key").focus();
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn({ key: /** @type {HTMLInputElement} */ (byId("key")).value.trim() });
});

await show();
const link = location.hash.slice(1);
if (link) {
  history.replaceState(null, "", location.pathname); // a link works once; it need not stay in the history
  await signIn({ link });
}
