// What can be done with characters and lorebooks, for the palette and by keys. Knows no view.
// @ts-check
import * as api from "../api.js";
import { offer, offerSearch } from "../state/actions.js";
import { character, future, makeCharacter, past, redo, startChat, undo } from "../state/card.js";
import { chosen, chooseAll, chooseNone, filter, show, showAll, trash } from "../state/characters.js";
import { go, route } from "../state/route.js";
import { t } from "../texts.js";

/** @import { Character, Lorebook } from "../types.d.ts" */

const FOUND = 5; // of each search

offer("characters", () => {
  const now = character.value;
  const here = route.value.view === "characters" && !route.value.id;
  return [
    { id: "new character", words: t("web.characters.new"), icon: "characters", run: makeCharacter },
    { id: "lore", words: t("web.characters.lore"), icon: "lore", run: () => go("#/lore") },
    { id: "favourite characters", words: t("web.characters.only_favourites"), icon: "star", run: () => (go("#/characters"), show({ favourite: true, trashed: false })) },
    { id: "all characters", words: t("web.characters.show_all"), off: !here, icon: "characters", run: showAll },
    { id: "choose all characters", words: t("web.characters.choose_every"), off: !here, icon: "check", run: chooseAll },
    { id: "choose no characters", words: t("web.characters.choose_none"), off: !here || !chosen.value.size, icon: "close", run: chooseNone },
    { id: "trash characters", words: t("web.characters.delete"), off: !here || !chosen.value.size || filter.value.trashed, icon: "trash", run: () => trash(chosen.value, true) },
    { id: "undo card", words: t("web.card.undo"), off: !now || !past.value.length, icon: "undo", run: undo },
    { id: "redo card", words: t("web.card.redo"), off: !now || !future.value.length, icon: "redo", run: redo },
    { id: "talk to card", words: t("web.characters.talk_to", { name: now?.name ?? "" }), name: now?.name, off: !now, icon: "chats", run: () => now && startChat(now.id) },
  ];
});

offerSearch("cards", async (text) => {
  const words = new URLSearchParams({ words: text, limit: String(FOUND) });
  const [{ characters }, { lorebooks }] = await Promise.all([api.get(`/characters?${words}`), api.get("/lorebooks")]);
  const wanted = text.trim().toLocaleLowerCase();
  const books = lorebooks.filter((/** @type {Lorebook} */ book) => book.name.toLocaleLowerCase().includes(wanted)).slice(0, FOUND);
  return [
    ...characters.map((/** @type {Character} */ one) => ({ id: `card ${one.id}`, words: t("web.card.edit_named", { name: one.name }), name: one.name, icon: "edit", run: () => go(`#/characters/${encodeURIComponent(one.id)}`) })),
    ...books.map((/** @type {Lorebook} */ one) => ({ id: `book ${one.id}`, words: t("web.lore.edit_named", { name: one.name }), name: one.name, icon: "lore", run: () => go(`#/lore/${encodeURIComponent(one.id)}`) })),
  ];
});
