// Who may use the studio besides this machine: where it listens, keys, a QR code for the phone. Knows no route's scope.
// @ts-check
import * as api from "../../api.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";
import { useAnswer } from "../useAnswer.js";
import { Install } from "./Install.js";
import { KeyList } from "./KeyList.js";
import { NewKey } from "./NewKey.js";
import { Reachable } from "./Reachable.js";

/** @import { Key, Reach } from "../../types.d.ts" */

export function Access() {
  const ask = /** @returns {Promise<{keys: Key[], scopes: string[], reach: Reach}>} */ async () => {
    const [{ keys, scopes }, reach] = await Promise.all([api.get("/keys"), api.get("/reach")]);
    return { keys, scopes, reach };
  };
  const { told, failure: error, again: load } = useAnswer(ask, [language.value]);
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
