// Servers that run models elsewhere: which there are, where what one writes goes, one more, a key, none. Knows no chat.
// @ts-check
import { useState } from "preact/hooks";
import * as api from "../api.js";
import { loadSystem } from "../state/system.js";
import { tellError } from "../state/toasts.js";
import { language, t } from "../texts.js";
import { Icon } from "./Icon.js";
import { Trouble } from "./Trouble.js";
import { html } from "./html.js";
import { useAnswer } from "./useAnswer.js";

/** @import { Remote, RemoteKind } from "../types.d.ts" */

const NOTHING = { name: "", url: "", key: "", kind: "" };

export function Remotes() {
  const { told, failure, again } = useAnswer(/** @returns {Promise<{remotes: Remote[], kinds: RemoteKind[]}>} */ () => api.get("/remotes"), [language.value]);
  const changed = () => Promise.all([again(), loadSystem()]);
  return html`<section aria-labelledby="remotes-title">
    <h2 id="remotes-title">${t("web.remotes.title")}</h2>
    <p class="quiet">${t("web.remotes.about")}</p>
    ${failure && html`<${Trouble} error=${failure} retry=${again} />`}
    ${told && told.remotes.length > 0 && html`<ul class="remotes" aria-label=${t("web.remotes.title")}>
      ${told.remotes.map((remote) => html`<${Server} key=${remote.name} remote=${remote} changed=${changed} />`)}
    </ul>`}
    <${Add} kinds=${told?.kinds ?? []} changed=${changed} />
  </section>`;
}

/** @param {{remote: Remote, changed: () => Promise<any>}} props */
function Server({ remote, changed }) {
  const [working, setWorking] = useState(false);
  const [key, setKey] = useState(/** @type {string | null} */ (null));
  const path = `/remotes/${encodeURIComponent(remote.name)}`;
  const run = async (/** @type {() => Promise<any>} */ work) => {
    setWorking(true);
    await work().then(changed).catch(tellError);
    setWorking(false);
  };
  const saveKey = (/** @type {Event} */ event) => {
    event.preventDefault();
    return run(() => api.put(`${path}/key`, { key }).then(() => setKey(null)));
  };
  const forget = () => confirm(t("web.remotes.remove_sure", { name: remote.name })) && run(() => api.remove(path));
  return html`<li class="remote">
    <div class="row row-spread">
      <span><b>${remote.name}</b> <small class="quiet">${remote.label} · ${remote.url}</small></span>
      <small class="quiet">${t(remote.models.length === 1 ? "web.remotes.one_model" : "web.remotes.models", { count: remote.models.length })}${remote.has_key ? ` · ${t("web.remotes.has_key")}` : ""}</small>
    </div>
    ${remote.reach !== "machine" && html`<p class="elsewhere elsewhere-${remote.reach}"><${Icon} name="away" />${t(`models.elsewhere.${remote.reach}`, { host: remote.host })}</p>`}
    ${remote.has_key && !remote.is_encrypted && remote.reach !== "machine" && html`<p class="bad">${t("web.remotes.unencrypted")}</p>`}
    <div class="row">
      <button type="button" class="button" disabled=${working} onClick=${() => run(() => api.post(`${path}/check`))}>${t("web.remotes.check")}</button>
      <button type="button" class="button" disabled=${working} aria-expanded=${key !== null} onClick=${() => setKey(key === null ? "" : null)}>${t("web.remotes.change_key")}</button>
      <button type="button" class="button" disabled=${working} onClick=${forget}>${t("web.remotes.remove")}</button>
    </div>
    ${key !== null && html`<form class="row" onSubmit=${saveKey}>
      <label>${t("web.remotes.new_key")} <input class="field" type="password" autocomplete="off" value=${key} onInput=${(/** @type {any} */ event) => setKey(event.target.value)} /></label>
      <button class="button" disabled=${working}>${t("web.remotes.save_key")}</button>
    </form>`}
  </li>`;
}

/** The server is asked what it is before it is added. @param {{kinds: RemoteKind[], changed: () => Promise<any>}} props */
function Add({ kinds, changed }) {
  const [asked, setAsked] = useState(NOTHING);
  const [working, setWorking] = useState(false);
  const [note, setNote] = useState({ text: "", bad: false });
  const set = (/** @type {keyof typeof NOTHING} */ name) => (/** @type {any} */ event) => setAsked({ ...asked, [name]: event.target.value });
  const add = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setWorking(true);
    setNote({ text: "", bad: false });
    try {
      const made = await api.post("/remotes", asked);
      setAsked((now) => (now === asked ? NOTHING : now));
      setNote({ text: t("web.remotes.added", { name: made.name, label: made.label, count: made.models.length }), bad: false });
      await changed();
    } catch (error) {
      setNote({ text: /** @type {Error} */ (error).message, bad: true });
    }
    setWorking(false);
  };
  return html`<form class="remote-new" aria-label=${t("web.remotes.add")} onSubmit=${add}>
    <label class="label">${t("web.remotes.name")}<input class="field" required maxlength="60" autocomplete="off" value=${asked.name} onInput=${set("name")} /></label>
    <label class="label">${t("web.remotes.url")}<input class="field" required type="url" placeholder="http://192.168.1.5:8080" value=${asked.url} onInput=${set("url")} /></label>
    <label class="label">${t("web.remotes.key")}<input class="field" type="password" autocomplete="off" value=${asked.key} onInput=${set("key")} /></label>
    <label class="label">${t("web.remotes.kind")}<select class="field" value=${asked.kind} onChange=${set("kind")}>
      <option value="">${t("web.remotes.kind_found")}</option>
      ${kinds.map(({ kind, label }) => html`<option key=${kind} value=${kind}>${label}</option>`)}
    </select></label>
    <div class="row"><button class="button button-main" disabled=${working}>${t(working ? "web.remotes.asking" : "web.remotes.add")}</button></div>
    <p class=${note.bad ? "bad" : "good"} aria-live="polite">${note.text}</p>
  </form>`;
}
