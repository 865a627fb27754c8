// Starts the pages.
import init from "./pilothouse_ui.js";
init({ module_or_path: "pilothouse_ui_bg.wasm" });
