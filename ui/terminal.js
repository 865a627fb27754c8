// Terminals: a pool of xterm.js objects that are reset and refilled, never made anew. Bytes come from the shell in one
// message a frame and are acknowledged once they are on the screen, so that a flood waits at its source.
import { Terminal } from "./vendor/xterm/xterm.mjs";
import { attach, order } from "./bridge.js";

const POOL = 6;
const BACK = 262144; // bytes of the log that are read at first
const LINES = 10000;
const SLICE = 16384; // xterm.js lets the page go on only between two writes
const BYTES = 9, ENDED = 12, FAULT = 4;
const AFRESH = "\x18\x1bc"; // ends any sequence, then resets the terminal
const pool = [];
let used = 0;
let nextId = 1;

// xterm.js sets its colours by <style> elements, which the window does not allow. Each becomes a sheet of its own.
function inert() {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  const element = document.createElement("ph-sheet");
  Object.defineProperty(element, "textContent", { set: (text) => sheet.replaceSync(text), get: () => "" });
  return element;
}
function withoutStyles(make) {
  const create = document.createElement;
  document.createElement = function (name, ...rest) {
    return name === "style" ? inert() : create.call(document, name, ...rest);
  };
  try { return make(); } finally { delete document.createElement; }
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  // Canvas and xterm.js want sRGB; a colour of the theme may be written in any space.
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const of = (name) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = style.getPropertyValue(name).trim();
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
    return "#" + [r, g, b].map((it) => it.toString(16).padStart(2, "0")).join("");
  };
  const dark = document.documentElement.dataset.theme === "dark";
  const theme = { background: of("--well"), foreground: of("--ink"), cursor: of("--ink"), cursorAccent: of("--well"), selectionBackground: of("--select") };
  for (const name of ["red", "green", "yellow", "blue", "magenta", "cyan"]) {
    theme[name] = of(`--ansi-${name}`);
    theme["bright" + name[0].toUpperCase() + name.slice(1)] = of(`--ansi-${name}`);
  }
  theme.black = dark ? of("--line") : of("--ink");
  theme.brightBlack = of("--ink-3");
  theme.white = dark ? of("--ink-2") : of("--ink-3");
  theme.brightWhite = dark ? of("--ink") : of("--ink-2");
  return theme;
}

function make() {
  const root = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const term = new Terminal({
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--font-mono"),
    fontSize: Math.round(root * 12 / 13), lineHeight: 1.35, cursorBlink: false, scrollback: LINES, disableStdin: true,
    minimumContrastRatio: 4.5, allowProposedApi: false, convertEol: false, theme: colours(), screenReaderMode: false,
    // Links that a program names are text: nothing leaves the page.
    linkHandler: { activate: () => {}, allowNonHttpProtocols: false },
    cols: 120, rows: 40,
  });
  const host = document.createElement("div");
  host.className = "xhost";
  const it = { term, host, opened: false, id: 0, stamp: 0, session: null, keyboard: false };
  // While it is only watched no key is the program's; when the program has the keyboard, the way out and the palette stay
  // ours. Said no to, xterm.js leaves a key to the page.
  const ours = (event) => event.shiftKey && (event.key === "F6" || (event.ctrlKey && ["K", "J", "T"].includes(event.key.toUpperCase())));
  term.attachCustomKeyEventHandler((event) => it.keyboard && !ours(event));
  return it;
}

function take() {
  const idle = pool.find((it) => it.id === 0);
  if (idle) return idle;
  if (pool.length < POOL) { const it = make(); pool.push(it); return it; }
  const oldest = pool.reduce((a, b) => (a.stamp < b.stamp ? a : b));
  close(oldest);
  return oldest;
}

function close(it) {
  if (it.id) send(it, { do: "close", id: it.id }).catch(() => {});
  it.id = 0;
  it.told = it.typed = it.paste = null;
  it.keyboard = false;
  it.end = undefined;
  it.host.dataset.keyboard = "";
  it.host.remove();
}

// Orders of one terminal reach the shell in the order they were given.
function send(it, what, heed) {
  it.sent = (it.sent ?? Promise.resolve()).then(() => (heed ? attach(JSON.stringify(what), heed) : order(JSON.stringify(what))));
  const sent = it.sent;
  it.sent = sent.catch(() => {});
  return sent;
}

const decoder = new TextDecoder();

// Shows a session in an element. `told` hears ("bytes" | "ended" | "fault" | "skipped", words, number).
export function show(element, session, told) {
  const it = take();
  it.stamp = ++used;
  it.id = nextId++;
  it.session = session;
  element.appendChild(it.host);
  if (!it.opened) {
    withoutStyles(() => it.term.open(it.host));
    it.opened = true;
    sizes.observe(it.host);
    it.term.onData((text) => it.typed && it.typed(text));
    it.term.onBinary((text) => it.typed && it.typed(text));
    // What is pasted with more than one line asks first.
    it.host.addEventListener("paste", (event) => {
      const text = event.clipboardData?.getData("text") ?? "";
      if (!it.keyboard) return;
      event.preventDefault();
      event.stopPropagation();
      // What would end the program's own bracket around a paste is not part of it.
      const clean = text.replaceAll("\x1b[201~", "");
      if (!/[\r\n]/.test(clean) || confirmPaste(it, clean)) it.term.paste(clean);
    }, true);
  }
  it.term.options.theme = colours();
  // By the program's own way, behind whatever still waits to be written; a reset at once would come before it.
  it.term.resize(120, 40);
  it.term.write(AFRESH);
  it.term.options.disableStdin = true;
  begin(it, session, false, -BACK, told);
  return it.id;
}

function begin(it, session, keyboard, from, told) {
  const id = it.id;
  let expected = from >= 0 ? from : null;
  it.told = told;
  const heed = (message) => {
    if (it.id !== id) return;
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const tag = message[0];
    if (tag === BYTES) {
      const offset = Number(view.getBigUint64(1, true));
      const bytes = message.subarray(9);
      if (expected !== null && offset !== expected) {
        if (offset > expected) { it.term.write(AFRESH); told("skipped", "", offset - expected); }
      } else if (expected === null && offset > 0) told("from", "", offset);
      expected = offset + bytes.length;
      it.end = expected;
      const written = () => {
        // It may have been put away meanwhile.
        if (it.id !== id) return;
        order(JSON.stringify({ do: "ack", id, offset: offset + bytes.length })).catch(() => {});
        told("bytes", "", offset + bytes.length);
      };
      for (let at = 0; at < bytes.length; at += SLICE) {
        it.term.write(bytes.subarray(at, at + SLICE), at + SLICE < bytes.length ? undefined : written);
      }
    } else if (tag === ENDED) told("ended", decoder.decode(message.subarray(1)), 0);
    else if (tag === FAULT) told("fault", decoder.decode(message.subarray(1)), 0);
  };
  send(it, { do: "open", id, session, from, keyboard }, heed).catch((error) => {
    if (it.id === id) told("fault", JSON.stringify(error), 0);
  });
}

const of = (id) => pool.find((it) => it.id === id);

// Puts a terminal away; its object waits for the next session.
export function hide(id) {
  const it = of(id);
  if (it) close(it);
}

// Hands the keyboard to the program, or takes it back. Returns what the terminal is known by from now on: another
// attachment begins, so that no byte of the old one can come twice.
export function keyboard(id, taken) {
  const it = of(id);
  if (!it || it.keyboard === taken) return id;
  const told = it.told, from = it.end ?? -BACK;
  if (!taken) {
    it.term.blur();
    it.term.resize(120, 40);
    send(it, { do: "resize", id, columns: 120, rows: 40 }).catch(() => {});
  }
  send(it, { do: "close", id }).catch(() => {});
  it.id = nextId++;
  it.keyboard = taken;
  it.term.options.disableStdin = !taken;
  it.host.dataset.keyboard = taken ? "ours" : "";
  const now = it.id;
  begin(it, it.session, taken, from, told);
  it.typed = taken
    ? (text) => send(it, { do: "input", id: now, bytes: [...new TextEncoder().encode(text)] }).catch(() => {})
    : null;
  if (taken) {
    fit(now, true);
    it.term.focus();
  }
  return now;
}

function confirmPaste(it, text) {
  if (it.paste === text) { it.paste = null; it.told("paste", "", 0); return true; }
  it.paste = text;
  it.told("paste", String(text.split("\n").length), 0);
  return false;
}

// Fits rows and columns to the element. Only whoever has the keyboard sizes the program's terminal; who watches sees it as
// it is, and scrolls.
export function fit(id, always) {
  const it = of(id);
  if (!it || !it.keyboard || !it.host.isConnected) return;
  const screen = it.host.querySelector(".xterm-screen");
  if (!screen || !it.term.rows) return;
  const width = screen.clientWidth / it.term.cols, height = screen.clientHeight / it.term.rows;
  if (!width || !height) return;
  const columns = Math.max(20, Math.floor((it.host.clientWidth - 14) / width));
  const rows = Math.max(4, Math.floor(it.host.clientHeight / height));
  if (!always && columns === it.term.cols && rows === it.term.rows) return;
  it.term.resize(columns, rows);
  send(it, { do: "resize", id: it.id, columns, rows }).catch(() => {});
}
const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const it = pool.find((it) => it.host === target && it.id);
    if (it) fit(it.id, false);
  }
});

// Colours of the theme, when it changes.
export function retheme() {
  const theme = colours();
  for (const it of pool) it.term.options.theme = theme;
}
addEventListener("ph-theme", () => requestAnimationFrame(retheme));

// The text of the screen, for readers and for tests.
export function text(id) {
  const it = of(id);
  if (!it) return "";
  const buffer = it.term.buffer.active;
  const lines = [];
  for (let n = 0; n < buffer.length; n++) lines.push(buffer.getLine(n)?.translateToString(true) ?? "");
  return lines.join("\n").trimEnd();
}
window.__terminal = () => pool.filter((it) => it.id).map((it) => text(it.id)).join("\n");
