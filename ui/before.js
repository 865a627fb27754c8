// Runs before anything is painted: what was kept, the theme, so that nothing flashes, and the record of what the page may
// not do.
// A file of its own, because inline scripts are not allowed in the window.
(() => {
  // What the shell had kept when it opened the window, and what was kept since. Kept is by `bridge.js`.
  const opened = window.__opened ?? {};
  const kept = (name) => { try { return sessionStorage.getItem(name) ?? opened[name] ?? null; } catch { return opened[name] ?? null; } };
  window.__kept = kept;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const theme = () => {
    const chosen = kept("ph.theme");
    root.dataset.theme = chosen === "light" || chosen === "dark" ? chosen : dark.matches ? "dark" : "light";
    if (kept("ph.contrast") === "high") root.dataset.contrast = "high"; else delete root.dataset.contrast;
    dispatchEvent(new Event("ph-theme"));
  };
  theme();
  dark.addEventListener("change", theme);
  window.__theme = theme;
  window.__violations = [];
  window.__errors = [];
  addEventListener("securitypolicyviolation", (event) =>
    window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
  addEventListener("error", (event) => window.__errors.push(String(event.message)));
  addEventListener("unhandledrejection", (event) => window.__errors.push(String(event.reason)));
  const error = console.error;
  console.error = (...words) => { window.__errors.push(words.join(" ")); error(...words); };
})();
