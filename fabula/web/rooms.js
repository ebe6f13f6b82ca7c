// The rooms of the app: one line each. A room's code and its style sheets come when it is entered. Knows no room's inside.
// @ts-check

/**
 * @typedef {object} Room
 * @property {string} name what stands in the address: #/name/ID/rest
 * @property {() => Promise<any>} load its view, which is given {id, rest}: both "" where the address ends earlier
 * @property {string | string[]} [style] style sheets of style/ that come with it
 * @property {() => Promise<unknown>} [actions] a module that offers (state/actions.js) what can be done there, also from elsewhere
 * @property {boolean} [typing] what is typed on the way to something in it is text, and kept for it (state/actions.js)
 * @property {any} icon
 * @property {string} words the key of what it is called
 * @property {boolean} [rail] has a place in the rail
 * @property {boolean} [tab] and in the tab bar of phones, which has room for four
 */

/** In the order of the rail. @type {Room[]} */
export const ROOMS = [
  { name: "home", load: () => import("./views/home.js").then((m) => m.Home), icon: "home", words: "web.nav.home", rail: true, tab: true },
  { name: "chat", load: () => import("./views/chat.js").then((m) => m.ChatView), style: ["chat.css", "stories.css"], actions: () => import("./parts/chatActions.js"), typing: true, icon: "chats", words: "web.nav.chats", rail: true, tab: true },
  { name: "characters", load: () => import("./views/characters.js").then((m) => m.CharactersView), style: "characters.css", actions: () => import("./parts/characterActions.js"), icon: "characters", words: "web.nav.characters", rail: true, tab: true },
  { name: "write", load: () => import("./views/write.js").then((m) => m.Write), style: "write.css", icon: "write", words: "web.nav.write", rail: true },
  { name: "novel", load: () => import("./views/novel.js").then((m) => m.NovelView), style: "write.css", icon: "write", words: "web.nav.write" },
  { name: "notebook", load: () => import("./views/notebook.js").then((m) => m.NotebookView), style: "write.css", icon: "write", words: "web.nav.write" },
  { name: "lore", load: () => import("./views/lore.js").then((m) => m.Lore), style: ["stories.css", "lore.css", "characters.css"], icon: "lore", words: "web.nav.lore" },
  { name: "models", load: () => import("./views/models.js").then((m) => m.ModelsView), style: ["finding.css", "models.css", "lab.css"], icon: "models", words: "web.nav.models", rail: true, tab: true },
  { name: "jobs", load: () => import("./views/jobs.js").then((m) => m.JobsView), style: ["finding.css", "lab.css"], icon: "lab", words: "web.jobs.title" },
  { name: "lab", load: () => import("./views/lab.js").then((m) => m.Lab), style: ["finding.css", "lab.css"], actions: () => import("./parts/workActions.js"), icon: "lab", words: "web.nav.lab", rail: true },
  { name: "evals", load: () => import("./views/evals.js").then((m) => m.EvalsView), style: ["finding.css", "lab.css", "evals.css"], icon: "chances", words: "web.nav.evals", rail: true },
  { name: "directions", load: () => import("./views/directions.js").then((m) => m.DirectionsView), style: ["finding.css", "lab.css", "directions.css"], icon: "lab", words: "web.directions.title" },
  { name: "settings", load: () => import("./views/settings.js").then((m) => m.Settings), style: "settings.css", icon: "settings", words: "web.nav.settings", rail: true },
];

/** Rooms to go to. What lies in a room, and opens by its ID alone, is called like it. */
export const PLACES = ROOMS.filter(({ words }, index) => ROOMS.findIndex((room) => room.words === words) === index);

/** An address that names no room leads home; what opens by its ID alone, without one, to the room it lies in. @param {string} name @param {string} id */
export function roomOf(name, id) {
  const named = ROOMS.find((room) => room.name === name) ?? ROOMS[0];
  return id ? named : (PLACES.find(({ words }) => words === named.words) ?? named);
}

/** @param {Room} room */
export const addressOf = ({ name }) => (name === ROOMS[0].name ? "#/" : `#/${name}`);
