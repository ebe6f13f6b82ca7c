// A home in which nothing was done yet: what to do first, in one screen. Knows the rooms' addresses only.
// @ts-check
import { newChat } from "../../state/chats.js";
import { preferredModel, system } from "../../state/system.js";
import { t } from "../../texts.js";
import { html } from "../html.js";

export function FirstSteps() {
  const name = preferredModel.value;
  const starter = name && name === system.value?.starter.name;
  return html`<section class="first" aria-labelledby="first-title">
    <h2 id="first-title">${t("web.first.title")}</h2>
    <ol class="first-steps">
      <li><h3>${t("web.first.talk")}</h3><p>${t(!name ? "web.first.talk_none" : starter ? "web.first.talk_starter" : "web.first.talk_about", { name })}</p>
        ${name && html`<button type="button" class="button button-main" onClick=${() => newChat(name)}>${t("web.home.start")}</button>`}</li>
      <li><h3>${t("web.first.get")}</h3><p>${t("web.first.get_about")}</p><a class="button" href="#/models//get">${t("web.finding.title")}</a></li>
      <li><h3>${t("web.first.bring")}</h3><p>${t("web.first.bring_about")}</p><a class="button" href="#/models">${t("web.first.places")}</a> <a class="button" href="#/characters">${t("web.nav.characters")}</a></li>
    </ol>
  </section>`;
}
