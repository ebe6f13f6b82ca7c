// A key for somebody or something: what it allows, how much, until when. Its secret is shown once. Knows no other key.
// @ts-check
import { useState } from "preact/hooks";
import * as api from "../../api.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { usePress } from "../Icon.js";
import { CopyText } from "./CopyText.js";
import { PhoneLink } from "./PhoneLink.js";

const NOTHING = { name: "", scopes: ["chat"], requests: "", tokens: "", expires_in: "" };
const LASTING = ["", "1d", "7d", "30d", "90d", "365d"];

/** @param {{scopes: string[], changed: () => Promise<any>}} props */
export function NewKey({ scopes, changed }) {
  const [asked, setAsked] = useState(NOTHING);
  const [made, setMade] = useState(/** @type {{key: {name: string}, secret: string} | null} */ (null));
  const [wrong, setWrong] = useState("");
  const set = (/** @type {string} */ name) => (/** @type {any} */ event) => setAsked({ ...asked, [name]: event.target.value });
  const allow = (/** @type {string} */ scope, /** @type {boolean} */ on) =>
    setAsked({ ...asked, scopes: on ? [...asked.scopes, scope] : asked.scopes.filter((each) => each !== scope) });
  const [makes, add] = usePress(async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      setMade(await api.post("/keys", asked));
      setAsked((now) => (now === asked ? NOTHING : now));
      setWrong("");
      await changed();
    } catch (error) {
      setWrong(/** @type {Error} */ (error).message);
    }
  });
  if (made) return html`<${Made} made=${made} done=${() => setMade(null)} />`;
  return html`<form class="key-new" aria-label=${t("web.access.new")} onSubmit=${add}>
    <h3>${t("web.access.new")}</h3>
    <label class="label block">${t("web.access.name")}<input class="field" required maxlength="64" autocomplete="off" value=${asked.name} onInput=${set("name")} /></label>
    <fieldset class="key-scopes"><legend class="label">${t("web.access.allows")}</legend>
      ${scopes.map((scope) => html`<label key=${scope}><input type="checkbox" checked=${asked.scopes.includes(scope)} onChange=${(/** @type {any} */ event) => allow(scope, event.target.checked)} />
        <span>${t(`web.access.scope_${scope}`)}<small class="quiet">${t(`web.access.scope_${scope}_about`)}</small></span></label>`)}
    </fieldset>
    <div class="key-limits">
      <label class="label block">${t("web.access.requests")}<input class="field" placeholder="60/min" value=${asked.requests} onInput=${set("requests")} /></label>
      <label class="label block">${t("web.access.tokens")}<input class="field" placeholder="50000/h" value=${asked.tokens} onInput=${set("tokens")} /></label>
      <label class="label block">${t("web.access.lasts")}<select class="field" value=${asked.expires_in} onChange=${set("expires_in")}>
        ${LASTING.map((span) => html`<option key=${span} value=${span}>${span ? t("web.access.days", { count: parseInt(span, 10) }) : t("web.access.endless")}</option>`)}
      </select></label>
    </div>
    <div class="row"><button class="button button-main" aria-busy=${makes || undefined} disabled=${!asked.scopes.length}>${t("web.access.make")}</button></div>
    <p class="bad" aria-live="polite">${wrong}</p>
  </form>`;
}

/** @param {{made: {key: {name: string}, secret: string}, done: () => void}} props */
function Made({ made, done }) {
  const { name } = made.key;
  return html`<div class="card key-made" role="status">
    <p><b>${t("web.access.made", { name })}</b></p>
    <p>${t("web.access.once")}</p>
    <${CopyText} text=${made.secret} label=${t("web.access.copy_key")} />
    <${PhoneLink} name=${name} />
    <div class="row"><button type="button" class="button button-main" onClick=${done}>${t("web.access.done")}</button></div>
  </div>`;
}
