// Before the first paint: the look that was worn last and the language, so that nothing flashes; what the app will ask
// for first, asked while its code is on its way; and the browser's question whether to install, which comes before
// anybody can hear it. Knows localStorage and where the API lies.
// @ts-check
(() => {
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    /** @type {any} */ (window).installQuestion = event;
  });
  const root = document.documentElement;
  const theme = localStorage.getItem("fabula.theme");
  if (theme && theme !== "auto") root.dataset.theme = theme;
  root.dataset.reading = localStorage.getItem("fabula.reading") || "serif";
  const spoken = localStorage.getItem("fabula.spoken"); // on the last visit; answers are told in a language
  root.lang = spoken || localStorage.getItem("fabula.language") || navigator.language || "en";
  if (spoken) askAhead(spoken, new URL(/** @type {HTMLScriptElement} */ (document.currentScript).src).pathname.replace(/early\.js$/, ""));
  try {
    wear(JSON.parse(localStorage.getItem("fabula.worn") ?? "{}"));
  } catch {
    localStorage.removeItem("fabula.worn"); // of another version: put on again in a moment
  }

  /** @param {{data?: Record<string, string>, vars?: Record<string, string>, sheets?: string[], style?: string}} outfit as parts/wearLook.js keeps it */
  function wear({ data = {}, vars = {}, sheets = [], style = "" }) {
    Object.assign(root.dataset, data);
    for (const [name, value] of Object.entries(vars)) root.style.setProperty(name, value);
    const isSafe = new URLSearchParams(location.search).has("safe");
    for (const href of [...sheets, ...(style && !isSafe ? [style] : [])]) {
      const link = document.createElement("link");
      link.rel = "stylesheet";
      link.href = href;
      link.dataset.look = "";
      link.setAttribute("blocking", "render");
      document.head.append(link);
    }
  }

  /** api.js takes these answers. Events first: what happens after the others were answered is among them. @param {string} language @param {string} files */
  function askAhead(language, files) {
    const api = `${files.split("/web/")[0]}/api/fabula/v1`;
    const chat = /^#\/chat\/([\w-]+)$/.exec(location.hash)?.[1];
    const paths = ["/events", "/system", "/models", "/jobs", "/chats?limit=30"];
    if (!localStorage.getItem("fabula.language")) paths.push("/settings"); // the studio's own language
    if (chat) paths.push(`/chats/${chat}`, `/chats/${chat}/messages?limit=50&`);
    /** @type {import("./api.js").Ahead["asked"]} */
    const asked = new Map();
    for (const address of [`${files}texts/${language}.json`, ...paths.map((path) => api + path)]) {
      const end = new AbortController();
      const headers = address.startsWith(api) ? { "Accept-Language": language, ...(address.endsWith("/events") && { Accept: "text/event-stream" }) } : undefined;
      const answer = fetch(address, { headers, signal: end.signal });
      answer.catch(() => null); // told to whoever takes it
      asked.set(address, { answer, end });
    }
    /** @type {any} */ (window).ahead = { language, asked };
  }
})();
