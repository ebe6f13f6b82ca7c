// Buttons, and line icons on a 20 × 20 grid, drawn for this app: decorative, the control that holds one has the label. Knows no
// button's work.
// @ts-check
import { useRef, useState } from "preact/hooks";
import { html } from "./html.js";

const PATHS = {
  none: "",
  home: "M3.5 9 10 3.5 16.5 9M5.5 8v8h9V8M8.5 16v-4.5h3V16",
  chats: "M3.5 5.5a2 2 0 0 1 2-2h9a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2h-5L6 16.5v-3h-.5a2 2 0 0 1-2-2z",
  characters: "M10 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM4 16.5c.5-3 2.75-4.75 6-4.75s5.5 1.75 6 4.75",
  lore: "M10 5.5C8 4 5.75 3.75 3.5 4.25v11c2.25-.5 4.5-.25 6.5 1.25 2-1.5 4.25-1.75 6.5-1.25v-11C14.25 3.75 12 4 10 5.5ZM10 5.5v11",
  models: "M10 3.25 16 6.5v7l-6 3.25-6-3.25v-7ZM4.25 6.6 10 9.75l5.75-3.15M10 9.75v6.75",
  lab: "M8 3.5h4M8.75 3.5v4.75L4.5 15a1 1 0 0 0 .9 1.5h9.2a1 1 0 0 0 .9-1.5l-4.25-6.75V3.5M6.5 12.25h7",
  settings: "M3.5 6h6M14 6h2.5M3.5 14H6m4.5 0h6M11.75 3.75v4.5M8.25 11.75v4.5",
  plus: "M10 4v12M4 10h12",
  search: "M8.75 14a5.25 5.25 0 1 0 0-10.5 5.25 5.25 0 0 0 0 10.5ZM12.75 12.75l3.75 3.75",
  send: "M10 16V4.5M5 9.25l5-5 5 5",
  stop: "M6 6h8v8H6z",
  left: "M12 5l-5 5 5 5",
  right: "M8 5l5 5-5 5",
  down: "M5 8l5 5 5-5",
  up: "M5 12l5-5 5 5",
  question: "M7.25 7.5a2.75 2.75 0 1 1 4.2 2.3c-.9.6-1.45 1.1-1.45 2.2M10 15v.25",
  retry: "M15.5 10a5.5 5.5 0 1 1-1.9-4.2M15.5 3.5v3.25h-3.25",
  more: "M4.75 10h.5M9.75 10h.5M14.75 10h.5",
  copy: "M7.5 7.5v-3a1 1 0 0 1 1-1h7a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-3M4.5 7.5h7a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z",
  edit: "M4 16l.75-3.25L13.5 4l2.5 2.5-8.75 8.75zM11.75 5.75l2.5 2.5",
  branch: "M6 7v6M6 7a1.75 1.75 0 1 0 0-3.5A1.75 1.75 0 0 0 6 7Zm0 6a1.75 1.75 0 1 0 0 3.5A1.75 1.75 0 0 0 6 13Zm8-6a1.75 1.75 0 1 0 0-3.5A1.75 1.75 0 0 0 14 7Zm0 0c0 4-8 2-8 6",
  trash: "M4 5.75h12M8 5.5V3.75h4V5.5M5.5 6l.75 10.25h7.5L14.5 6M8.75 9v4.5M11.25 9v4.5",
  versions: "M10 6v4.25l2.75 1.75M3.75 10a6.25 6.25 0 1 0 1.8-4.4M3.75 3.75v2.5h2.5",
  lengthen: "M3.5 6h13M3.5 10h7M3.5 14h4M12 14h4.5M14.25 11.75v4.5",
  close: "M5 5l10 10M15 5 5 15",
  check: "M4 10.5l4 4 8-9",
  sliders: "M4 6.5h5.5M13.5 6.5H16M4 13.5h2.5M10.5 13.5H16M11.5 4.75a1.75 1.75 0 1 1 0 3.5 1.75 1.75 0 0 1 0-3.5ZM8.5 11.75a1.75 1.75 0 1 1 0 3.5 1.75 1.75 0 0 1 0-3.5Z",
  sidebar: "M4.5 4h11a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1h-11a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1ZM8 4v12",
  get: "M10 3.5v9M6 9l4 4 4-4M4 16.5h12",
  away: "M4.5 11.5v3a2 2 0 0 0 2 2h7a2 2 0 0 0 2-2v-3M10 12.5v-9M6.5 7 10 3.5 13.5 7",
  ruler: "M3.5 7.5h13v5h-13zM6.5 7.5v2.25M10 7.5v3M13.5 7.5v2.25",
  map: "M6 6.5v7M6 6.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM6 16.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM14 12.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM6 7c.5 2 2.5 3.75 6.5 3.95",
  compare: "M3.5 4.5h5v11h-5zM11.5 4.5h5v11h-5zM5.25 8h1.5M5.25 11h1.5M13.25 8h1.5M13.25 11h1.5",
  star: "M10 3.25l2.1 4.4 4.8.65-3.5 3.35.85 4.8L10 14.1l-4.25 2.35.85-4.8L3.1 8.3l4.8-.65z",
  folder: "M3.5 6a1 1 0 0 1 1-1h3.25L9.5 7h6a1 1 0 0 1 1 1v6.5a1 1 0 0 1-1 1h-11a1 1 0 0 1-1-1z",
  flag: "M5.5 16.5v-13M5.5 4.25h9l-2 3 2 3h-9",
  clip: "M14.5 9.25 9.6 14.1a3 3 0 0 1-4.25-4.25l5.3-5.3a2 2 0 0 1 2.85 2.85l-5.2 5.15a1 1 0 0 1-1.4-1.4l4.5-4.5",
  translate: "M3.5 5.5h8M7.5 3.5v2M10 5.5c-.75 3-3 5.5-6 7M5.25 8c1 1.9 2.5 3.25 4.25 4M10.5 16.5l3-8 3 8M11.5 14h4",
  memory: "M5.5 3.5h7l2.5 2.5v10.5h-9.5zM12 3.75V6.5h2.75M7.75 9.5h5M7.75 12.5h3.5",
  filter: "M3.5 5.5h13M6 10h8M8.5 14.5h3",
  chances: "M4 16.5v-4M8 16.5v-9M12 16.5V10M16 16.5v-12",
  write: "M4 16.5h12M5 13l.6-2.9 7.6-7.6 2.3 2.3-7.6 7.6zM11.5 4.2l2.3 2.3",
  undo: "M7 4 3.5 7.5 7 11M4 7.5h7a4.25 4.25 0 0 1 0 8.5H8",
  tag: "M3.75 4.75a1 1 0 0 1 1-1h5L16.25 10.25l-6 6L3.75 9.75zM7 7.1v.05",
  grid: "M4 4h5v5H4zM11 4h5v5h-5zM4 11h5v5H4zM11 11h5v5h-5z",
  list: "M3.5 5.5h13M3.5 10h13M3.5 14.5h13",
  redo: "M13 4l3.5 3.5L13 11M16 7.5H9A4.25 4.25 0 0 0 9 16h3",
};

/** @param {{name: keyof typeof PATHS}} props */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}

/** A button that shows an icon; its words are its label and its tooltip. @param {Record<string, any>} props */
export function IconButton({ icon, label, class: name = "", ...rest }) {
  return html`<button type="button" class=${`icon-button ${name}`} aria-label=${label} title=${label} ...${rest}>
    <${Icon} name=${icon} />
  </button>`;
}

/**
 * What a press, or a form that is sent, begins: once, until it is over.
 * @param {(...given: any[]) => unknown} work @returns {[boolean, (...given: any[]) => Promise<void>]} whether it lasts, and how to begin it
 */
export function usePress(work) {
  const [lasts, setLasts] = useState(false);
  const under = useRef(false); // two presses may come before anything is drawn
  const press = async (/** @type {any[]} */ ...given) => {
    if (under.current) return given[0]?.preventDefault?.();
    under.current = true;
    setLasts(true);
    try {
      await work(...given);
    } finally {
      under.current = false;
      setLasts(false);
    }
  };
  return [lasts, press];
}

/** Shows at once that it was pressed, keeps the focus, and pressed again meanwhile it does nothing. @param {{onClick: (event: Event) => unknown, children?: any} & Record<string, any>} props */
export function Press({ onClick, children, ...rest }) {
  const [lasts, press] = usePress(onClick);
  return html`<button type="button" ...${rest} aria-busy=${lasts || undefined} onClick=${press}>${children}</button>`;
}
