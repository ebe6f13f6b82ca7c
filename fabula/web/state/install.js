// Whether this browser can keep the studio as an app, and if not, why. Knows no view.
// @ts-check
import { signal } from "@preact/signals";

/**
 * "installed": it runs as an app. "ready": `install` asks the person. "insecure": only localhost and HTTPS can be
 * installed. "menu": only by the browser's own menu, if it can at all.
 */
export const installable = signal(/** @type {"installed" | "ready" | "insecure" | "menu"} */ (first()));

/** Browsers ask once, long before this module is here: early.js keeps the question. @type {any} */
let question = /** @type {any} */ (window).installQuestion ?? null;

function first() {
  if (matchMedia("(display-mode: standalone)").matches) return "installed";
  if (/** @type {any} */ (window).installQuestion) return "ready";
  return isSecureContext && "serviceWorker" in navigator ? "menu" : "insecure";
}

addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  question = event;
  installable.value = "ready";
});
addEventListener("appinstalled", () => (installable.value = "installed"));

/** Let the browser ask whether to install; only once per question. */
export async function install() {
  const asked = question;
  question = null;
  if (!asked) return;
  installable.value = "menu";
  asked.prompt();
  await asked.userChoice;
}
