// The studio ends and begins anew, and the page waits for it. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { tell, tellError } from "./toasts.js";

const LOOK_MS = 400;
const PATIENCE_MS = 90_000; // replies end, engines are let go, a database is opened

export const restarting = signal(false);

/** Done when the next studio answers, or it is told why none does. */
export async function restart() {
  if (restarting.value) return;
  restarting.value = true;
  try {
    const { address, began } = await api.post("/restart");
    if (isHere(address)) await untilAnother(began);
    else tell(t("web.restart.elsewhere", { address }), { stays: true, action: { label: t("web.restart.go"), run: () => location.assign(`${address}/`) } });
  } catch (error) {
    tellError(error);
  }
  restarting.value = false;
}

/** Only a page of the studio's own machine may ask: its name stays, its port and its scheme may be others. @param {string} address */
function isHere(address) {
  const next = new URL(address);
  return next.port === location.port && next.protocol === location.protocol;
}

/** @param {number} began of the one that ends */
async function untilAnother(began) {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    await new Promise((wait) => setTimeout(wait, LOOK_MS));
    const now = await api.get("/system").catch(() => null); // it is away for a moment
    if (now && now.began !== began) return tell(t("web.restart.done"));
  }
  throw new Error(t("web.error.unreachable"));
}
