// Before the first paint: the look that was worn last and the language, so that nothing flashes; what the app will ask
// for first, and the code of the room that the address names, asked for while the page's own code is on its way; and the
// browser's question whether to install, which comes before anybody can hear it. Knows localStorage and where the API lies.
// @ts-check
(() => {
  /** By room: its code and style sheets beyond the page's own (preloads.py fills it in). @type {Record<string, string[]>} */
  const NEEDS = JSON.parse("{{needs}}");
  const OPENED = 20; // messages: what state/chat.js asks for when a chat is opened

  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    /** @type {any} */ (window).installQuestion = event;
  });
  const { documentElement: root, currentScript } = document;
  const files = new URL(/** @type {HTMLScriptElement} */ (currentScript).src).pathname.replace(/early\.js$/, "");
  const theme = localStorage.getItem("fabula.theme");
  if (theme && theme !== "auto") root.dataset.theme = theme;
  root.dataset.reading = localStorage.getItem("fabula.reading") || "serif";
  const { language } = root.dataset; // the studio's own, which only the app's page tells
  root.lang = chooseLanguage([localStorage.getItem("fabula.language") ?? "", language ?? "", ...navigator.languages]);
  /** @type {any} */ (window).chooseLanguage = chooseLanguage;
  if (language !== undefined) {
    askAhead();
    bringRoom();
  }
  try {
    wear(JSON.parse(localStorage.getItem("fabula.worn") ?? "{}"));
  } catch {
    localStorage.removeItem("fabula.worn"); // of another version: put on again in a moment
  }

  /**
   * The best of the languages that there are; Chinese is told apart by script, then by region (TW, HK and MO read Traditional).
   * @param {readonly string[]} wanted
   */
  function chooseLanguage(wanted) {
    for (const tag of wanted) {
      const parts = tag.toLowerCase().split(/[-_]/);
      if (parts[0] === "zh") return ["hant", "tw", "hk", "mo"].some((part) => parts.includes(part)) ? "zh-Hant" : "zh-Hans";
      if (parts[0] === "en") return "en";
    }
    return "en";
  }

  /** @param {{data?: Record<string, string>, vars?: Record<string, string>, sheets?: string[], style?: string}} outfit as parts/wearLook.js keeps it */
  function wear({ data = {}, vars = {}, sheets = [], style = "" }) {
    Object.assign(root.dataset, data);
    for (const [name, value] of Object.entries(vars)) root.style.setProperty(name, value);
    const isSafe = new URLSearchParams(location.search).has("safe");
    for (const href of [...sheets, ...(style && !isSafe ? [style] : [])]) addLink({ rel: "stylesheet", href, blocking: "render", "data-look": "" });
  }

  /** @param {Record<string, string>} attributes */
  function addLink(attributes) {
    const link = document.createElement("link");
    for (const [name, value] of Object.entries(attributes)) link.setAttribute(name, value);
    document.head.append(link);
  }

  /** api.js takes these answers. Events first: what happens after the others were answered is among them. */
  function askAhead() {
    const api = `${files.split("/web/")[0]}/api/fabula/v1`;
    const chat = /^#\/chat\/([\w-]+)$/.exec(location.hash)?.[1];
    const opened = chat ? [`/chats/${chat}`, `/chats/${chat}/messages?limit=${OPENED}&`] : [];
    const paths = ["/events", ...opened, "/system?also=models&also=jobs", "/chats?limit=30"];
    /** @type {import("./api.js").Ahead["asked"]} */
    const asked = new Map();
    for (const address of [`${files}texts/${root.lang}.json`, ...paths.map((path) => api + path)]) {
      const end = new AbortController();
      const headers = address.startsWith(api) ? { "Accept-Language": root.lang, ...(address.endsWith("/events") && { Accept: "text/event-stream" }) } : undefined;
      const answer = fetch(address, { headers, signal: end.signal });
      answer.catch(() => null); // told to whoever takes it
      asked.set(address, { answer, end });
    }
    /** @type {any} */ (window).ahead = { language: root.lang, asked };
  }

  /** All of it at once: what imports it would be read first, and what imports that. */
  function bringRoom() {
    const room = /^#\/(\w+)/.exec(location.hash)?.[1] ?? "";
    for (const name of NEEDS[room] ?? []) addLink({ ...(name.endsWith(".css") ? { rel: "preload", as: "style" } : { rel: "modulepreload" }), href: files + name });
  }
})();
