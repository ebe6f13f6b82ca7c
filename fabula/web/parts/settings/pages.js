// The names of the pages of settings, in reading order: what belongs to the reader first. Knows no page.
// @ts-check

export const PAGES = /** @type {const} */ ([
  "appearance", "language", "shortcuts", "studio", "keys", "engines", "servers", "places", "import", "backups", "guard", "about",
]);
