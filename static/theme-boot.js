// Not a module: runs before the first paint, so that a chosen theme does not flash.
(() => {
  const theme = localStorage.getItem("proflite-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
