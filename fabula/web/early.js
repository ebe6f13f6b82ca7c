// Before the first paint: the look that was worn last and the language, so that nothing flashes; and the browser's
// question whether to install, which comes before anybody can hear it. Knows only localStorage.
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
  root.lang = localStorage.getItem("fabula.language") || navigator.language || "en";
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
})();
