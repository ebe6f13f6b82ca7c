// Before the first paint: the chosen theme and language, so that nothing flashes. Knows only localStorage.
// @ts-check
(() => {
  const root = document.documentElement;
  const theme = localStorage.getItem("fabula.theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  root.dataset.reading = localStorage.getItem("fabula.reading") || "serif";
  root.lang = localStorage.getItem("fabula.language") || navigator.language || "en";
})();
