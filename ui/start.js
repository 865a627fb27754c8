// Starts the pages. A file of its own, because inline scripts are not allowed in the window.
import init from "./pilothouse_ui.js";
init({ module_or_path: "pilothouse_ui_bg.wasm" });
