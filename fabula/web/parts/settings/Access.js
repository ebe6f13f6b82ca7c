// Who may use the studio besides this machine: where it listens, keys, a QR code for the phone. Knows no route's scope.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";
import { Install } from "./Install.js";
import { KeyList } from "./KeyList.js";
import { NewKey } from "./NewKey.js";
import { Reachable } from "./Reachable.js";

/** @import { Key, Reach } from "../../types.d.ts" */

export function Access() {
  const [told, setTold] = useState(/** @type {{keys: Key[], scopes: string[], reach: Reach} | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const load = async () => {
    try {
      const [{ keys, scopes }, reach] = await Promise.all([api.get("/keys"), api.get("/reach")]);
      setTold({ keys, scopes, reach });
      setError(null);
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  };
  useEffect(() => void load(), [language.value]);
  if (error && !told) return html`<${Trouble} error=${error} retry=${load} />`;
  if (!told) return html`<p class="quiet">${t("web.loading")}</p>`;
  return html`
    <${Reachable} reach=${told.reach} changed=${load} />
    <section aria-labelledby="keys-title">
      <h2 id="keys-title">${t("web.access.keys")}</h2>
      <p class="quiet">${t("web.access.keys_about")}</p>
      <${KeyList} keys=${told.keys} changed=${load} />
      <${NewKey} scopes=${told.scopes} changed=${load} />
    </section>
    <${Install} />`;
}
