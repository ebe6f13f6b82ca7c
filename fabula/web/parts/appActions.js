// What can be done from anywhere: enter a room, open a chat, talk to a character, load a model, change the look.
// Knows every room's name, no room's inside.
// @ts-check
import * as api from "../api.js";
import { addressOf, PLACES } from "../rooms.js";
import { offer, offerSearch } from "../state/actions.js";
import { newChat, talkTo, titleOf } from "../state/chats.js";
import { READINGS, THEMES, enterSends, personaName, reading, theme } from "../state/prefs.js";
import { restart, restarting } from "../state/restarting.js";
import { go } from "../state/route.js";
import { loadSystem, running, unload, usable } from "../state/system.js";
import { tell, tellError } from "../state/toasts.js";
import { LANGUAGES, LANGUAGE_NAMES, asBytes, chosenLanguage, setLanguage, t } from "../texts.js";
import { PAGES } from "./settings/pages.js";
import { when } from "./words.js";

const FOUND = 8; // chats and characters of each search

offer("rooms", () =>
  PLACES.map((room) => ({ id: `room ${room.name}`, words: t("web.palette.room", { room: t(room.words) }), name: t(room.words), icon: room.icon, run: () => go(addressOf(room)) })),
);

offer("models", () => {
  const loaded = running.value.map((one) => one.model);
  return usable.value.flatMap(({ name }) => [
    { id: `start ${name}`, words: t("web.palette.start", { model: name }), name, icon: "chats", run: () => newChat(name) },
    { id: `load ${name}`, words: t("web.palette.load", { model: name }), name, icon: "models", off: loaded.includes(name), run: () => load(name) },
    { id: `unload ${name}`, words: t("web.palette.unload", { model: name }), name, icon: "stop", off: !loaded.includes(name), run: () => unload(name) },
  ]);
});

/** @param {string} name */
async function load(name) {
  tell(t("web.palette.loading", { model: name }));
  await api.post(`/models/${encodeURIComponent(name)}/load`).then(loadSystem, tellError);
}

offer("look", () => [
  ...THEMES.map((name) => ({ id: `theme ${name}`, words: t("web.palette.theme", { theme: t(`web.settings.theme_${name}`) }), off: theme.value === name, run: () => (theme.value = name) })),
  ...READINGS.map((name) => ({ id: `font ${name}`, words: t("web.palette.reading", { font: t(`web.settings.reading_${name}`) }), off: reading.value === name, run: () => (reading.value = name) })),
  ...["", ...LANGUAGES].map(language),
  { id: "enter", words: t(enterSends.value === "yes" ? "web.palette.enter_breaks" : "web.palette.enter_sends"), run: () => (enterSends.value = enterSends.value === "yes" ? "no" : "yes") },
]);

/** The three are called the same in every language. @param {string} name */
function language(name) {
  const called = name ? LANGUAGE_NAMES[/** @type {"en"} */ (name)] : t("web.settings.as_browser");
  return { id: `language ${name}`, words: t("web.palette.language", { language: called }), name: called, off: chosenLanguage.value === name, run: () => setLanguage(name).catch(tellError) };
}

offer("settings", () =>
  PAGES.map((name) => ({ id: `settings ${name}`, words: t("web.palette.settings", { page: t(`web.settings.page.${name}`) }), name: t(`web.settings.page.${name}`), icon: "settings", run: () => go(`#/settings/${name}`) })),
);

offer("studio", () => [
  { id: "backup", words: t("web.settings.backup"), run: backup },
  { id: "restart", words: t("web.restart.do"), icon: "retry", off: restarting.value, run: restart },
]);

async function backup() {
  await api.post("/backup").then((made) => tell(t("web.settings.backup_done", { path: made.path, size: asBytes(made.size) })), tellError);
}

offerSearch("chats", async (text) => {
  const { chats } = await api.get(`/chats?limit=${FOUND}&words=${encodeURIComponent(text)}`);
  return chats.map((/** @type {import("../types.d.ts").ListedChat} */ chat) => ({
    id: `chat ${chat.id}`,
    words: titleOf(chat),
    icon: "chats",
    note: when(chat.updated_at),
    run: () => go(`#/chat/${encodeURIComponent(chat.id)}`),
  }));
});

offerSearch("characters", async (text) => {
  const { characters } = await api.get(`/characters?limit=${FOUND}&words=${encodeURIComponent(text)}`);
  return characters.map((/** @type {import("../types.d.ts").Character} */ { id, name }) => ({
    id: `talk ${id}`,
    words: t("web.characters.talk_to", { name }),
    name,
    icon: "characters",
    run: () => talkTo(id, personaName.value.trim()),
  }));
});
