// Terminals: a pool of xterm.js objects that are reset and refilled, never made anew. The engine paints the screen first;
// then bytes come from the shell, at most one message a frame, and are acknowledged once they are on the screen, so that a
// flood waits at its source. What a program asks its terminal the engine has answered; nothing is answered from here.
import { Terminal } from "./vendor/xterm/xterm.mjs";
import { SearchAddon } from "./vendor/xterm/addon-search.mjs";
import { WebLinksAddon } from "./vendor/xterm/addon-web-links.mjs";
import { attach, keep, kept, order } from "./bridge.js";
import { Mark } from "./mark.js";

const POOL = 6;
const ABOVE = 500; // lines above the screen that are painted at first
const LINES = 10000; // and at most
const FLOOD_MS = 200; // between two paintings of what nobody can read
const SLICE = 16384; // xterm.js lets the page go on only between two writes
const BYTES = 9, ENDED = 12, FAULT = 4, SCREEN = 14, LEASE = 15;
const AFRESH = "\x18\x1bc"; // ends any sequence, then resets the terminal
// Measured before its font is there, a terminal would keep the measures of another one.
for (const weight of [400, 700]) document.fonts.load(`${weight} 12px "JetBrains Mono"`).catch(() => {});
const pool = [];
let used = 0;
let nextId = 1;

// xterm.js sets its colours by <style> elements, which the window does not allow. Each becomes a sheet of its own.
function inert() {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  const element = document.createElement("ph-sheet");
  let said = "";
  // xterm.js says the same again with each theme that it is given, and WebKitGTK keeps a megabyte for each time.
  const say = (text) => { if (text !== said) sheet.replaceSync((said = text)); };
  Object.defineProperty(element, "textContent", { set: say, get: () => "" });
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
    minimumContrastRatio: 4.5, allowProposedApi: false, convertEol: false, theme: colours(), screenReaderMode: aloud(),
    // A link that a program names is shown whole before anything is done with it.
    linkHandler: { activate: (_, address) => it.told && it.told("link", address, 0), allowNonHttpProtocols: false },
    cols: 120, rows: 40,
  });
  const host = document.createElement("div");
  host.className = "xhost";
  const search = new SearchAddon();
  term.loadAddon(search);
  term.loadAddon(new WebLinksAddon((_, address) => it.told && it.told("link", address, 0)));
  // `key` is what the page knows it by; `id` is the viewer of the moment.
  const it = { term, search, host, opened: false, key: pool.length + 1, id: 0, stamp: 0, session: null, keyboard: false, above: ABOVE };
  // While it is only watched no key is the program's. Said no to, xterm.js leaves a key to the page.
  const word = (event) => (event.ctrlKey || event.metaKey ? "ctrl+" : "") + (event.shiftKey ? "shift+" : "") + event.key.toLowerCase();
  term.attachCustomKeyEventHandler((event) => it.keyboard && !it.mark && !ours.has(word(event)));
  // What a program asks its terminal the engine has answered: a second answer would be keys that nobody pressed.
  const quiet = () => true, asks = (data) => data.includes("?");
  for (const id of [{ final: "n" }, { prefix: "?", final: "n" }, { final: "c" }, { prefix: ">", final: "c" }, { prefix: "=", final: "c" }, { final: "t" }, { intermediates: "$", final: "p" }, { prefix: "?", intermediates: "$", final: "p" }]) term.parser.registerCsiHandler(id, quiet);
  term.parser.registerDcsHandler({ intermediates: "$", final: "q" }, quiet);
  for (const id of [4, 10, 11, 12]) term.parser.registerOscHandler(id, asks);
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
  unmark(it);
  it.told = it.typed = it.paste = null;
  it.keyboard = it.granted = false;
  it.host.dataset.keyboard = "";
  it.host.remove();
  // What nobody sees holds no lines; behind whatever still waits to be written.
  it.term.write(AFRESH);
}

// Orders of one terminal reach the shell in the order they were given.
function send(it, what, heed) {
  it.sent = (it.sent ?? Promise.resolve()).then(() => (heed ? attach(JSON.stringify(what), heed) : order(JSON.stringify(what))));
  const sent = it.sent;
  it.sent = sent.catch(() => {});
  return sent;
}

// Keys that are the window's even while a program has the keyboard; `keys.rs` says which.
let ours = new Set();
export function keep_keys(words) { ours = new Set(words.split(" ")); }

const decoder = new TextDecoder();

// Shows a session in an element. `told` hears ("bytes" | "ended" | "fault" | "skipped" | "still" | "paste" | "lease" |
// "refused" | "lost" | "link" | "left-out" | "mark" | "copied", words, number).
export function show(element, session, told) {
  const it = take();
  it.stamp = ++used;
  it.session = session;
  it.above = ABOVE;
  element.appendChild(it.host);
  if (!it.opened) {
    withoutStyles(() => it.term.open(it.host));
    it.opened = true;
    sizes.observe(it.host);
    // In copy mode nothing is the program's: not what an input method composes, nor what the mouse reports.
    it.term.onData((text) => !it.mark && it.typed && it.typed(text));
    it.term.onBinary((text) => !it.mark && it.typed && it.typed(text));
    it.term.onScroll(() => goesOn(it));
    it.term.onSelectionChange(() => goesOn(it));
    it.host.addEventListener("wheel", () => requestAnimationFrame(() => goesOn(it)), { passive: true });
    // What is pasted with more than one line asks first. Nothing but text is pasted: a program that is told where a paste
    // begins and ends must not be told that by the paste itself, nor take a sign of it for a key.
    it.host.addEventListener("paste", (event) => {
      const text = event.clipboardData?.getData("text") ?? "";
      if (!it.keyboard) return;
      event.preventDefault();
      event.stopPropagation();
      // What is only being read takes nothing.
      if (it.mark) return;
      const clean = plain(text);
      it.told("left-out", "", text.replaceAll("\r\n", "\n").length - clean.length);
      if (clean && (!clean.includes("\n") || confirmPaste(it, clean))) it.term.paste(clean);
    }, true);
  }
  it.term.options.theme = colours();
  // By the program's own way, behind whatever still waits to be written; a reset at once would come before it.
  it.term.resize(120, 40);
  it.term.write(AFRESH);
  it.term.options.disableStdin = true;
  it.told = told;
  begin(it, null, false);
  return it.key;
}

// Every sign of control but tabs and ends of lines is left out, one by one: no two others can become one by that.
const plain = (text) => text.replace(/\r\n?/g, "\n").replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "");

// Opens the viewer of the moment: from a byte that is shown already, or painted anew.
function begin(it, from, despite) {
  const id = (it.id = nextId++);
  const { session, told } = it;
  it.expected = from;
  it.granted = it.still = false;
  const note = (offset) => {
    // It may have been put away meanwhile.
    if (it.id !== id) return;
    inSight(it);
    order(JSON.stringify({ do: "ack", id, offset })).catch(() => {});
    told("bytes", "", offset);
  };
  const write = (bytes, offset) => {
    for (let at = 0; at < bytes.length; at += SLICE) {
      it.term.write(bytes.subarray(at, at + SLICE), at + SLICE < bytes.length ? undefined : () => note(offset));
    }
    if (!bytes.length) it.term.write("", () => note(offset));
  };
  const heed = (message) => {
    if (it.id !== id) return;
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const tag = message[0];
    // In copy mode the lines stand still: what comes waits, and waits to be acknowledged.
    if (it.mark && (tag === BYTES || tag === SCREEN)) return it.later.push(() => heed(message));
    if (tag === BYTES) {
      const offset = Number(view.getBigUint64(1, true)), end = offset + message.length - 9;
      if (it.expected !== null && offset > it.expected) told("skipped", "", offset - it.expected);
      // What was painted meanwhile is there already.
      const known = Math.max(0, (it.expected ?? offset) - offset);
      it.expected = Math.max(end, it.expected ?? end);
      write(message.subarray(9 + known), end);
    } else if (tag === SCREEN) {
      // A painting would take away what is being read: it stands still until its end is looked at again.
      if (it.expected !== null && reads(it)) {
        send(it, { do: "close", id }).catch(() => {});
        it.still = true;
        return told("still", "yes", 0);
      }
      const offset = Number(view.getBigUint64(1, true));
      if (it.expected !== null && offset > it.expected) told("skipped", "", offset - it.expected);
      it.expected = offset;
      // It is painted at the size that it was painted for, also to who has the keyboard and sets another one then.
      it.term.resize(view.getUint16(9, true), view.getUint16(11, true));
      it.term.write(AFRESH);
      write(message.subarray(13), offset);
      if (it.keyboard) it.term.write("", () => it.keyboard && fit(it, false));
    } else if (tag === LEASE) {
      const text = decoder.decode(message.subarray(1));
      const yours = JSON.parse(text).yours;
      told("lease", text, 0);
      if (yours && it.keyboard && !it.granted) { it.granted = true; fit(it, true); }
      else if (yours) it.granted = true;
      else if (it.keyboard) { told("lost", "", 0); keyboard(it.key, false); }
    } else if (tag === FAULT && it.keyboard && !it.granted && JSON.parse(decoder.decode(message.subarray(1))).code !== "unreachable") {
      // It was not given away: go on watching, and say why.
      told("refused", decoder.decode(message.subarray(1)), 0);
      keyboard(it.key, false);
    } else if (tag === ENDED) told("ended", decoder.decode(message.subarray(1)), 0);
    else if (tag === FAULT) told("fault", decoder.decode(message.subarray(1)), 0);
  };
  const what = { do: "open", id, session, from, lines_above: it.above, keyboard: it.keyboard, despite_question: despite, flood_ms: FLOOD_MS };
  send(it, what, heed).catch((error) => {
    if (it.id === id) told("fault", JSON.stringify(error), 0);
  });
}

// Whether somebody reads what stands above the screen, or has marked some of it.
const reads = (it) => !it.keyboard && (it.term.buffer.active.viewportY < it.term.buffer.active.baseY || it.term.hasSelection());
function goesOn(it) {
  if (!it.still || !it.id || reads(it)) return;
  it.told("still", "", 0);
  begin(it, null, false);
}

const of = (key) => pool.find((it) => it.key === key && it.id);

// Puts a terminal away; its object waits for the next session.
export function hide(key) {
  const it = of(key);
  if (it) close(it);
}

// Hands the keyboard to the program, or takes it back: another viewer begins, so that no byte of the old one can come
// twice. `despite` takes it even while the session waits for an answer.
export function keyboard(key, taken, despite = false) {
  const it = of(key);
  if (!it || it.keyboard === taken) return;
  const id = it.id;
  unmark(it);
  if (!taken) {
    it.term.blur();
    // As wide as an agent expects it; not if somebody else has it now.
    if (it.granted) send(it, { do: "resize", id, columns: 120, rows: 40 }).catch(() => {});
  }
  send(it, { do: "close", id }).catch(() => {});
  it.keyboard = taken;
  it.above = ABOVE;
  it.term.options.disableStdin = !taken;
  it.host.dataset.keyboard = taken ? "ours" : "";
  // Painted anew: whoever has the keyboard next sets another size.
  begin(it, null, despite);
  const now = it.id;
  it.typed = taken
    ? (text) => send(it, { do: "input", id: now, bytes: [...new TextEncoder().encode(text)] }).catch(() => {})
    : null;
  if (taken) it.term.focus();
}

// Gives the focus to a program that has the keyboard. Returns whether one has.
export function focus(key) {
  const it = of(key);
  if (it?.keyboard) it.term.focus();
  return Boolean(it?.keyboard);
}

// Paints it again with as many lines above the screen as the engine has and the page can hold. For who has the keyboard
// they are read in copy mode, as another viewer sees them: the keyboard stays where it is.
export function earlier(key) {
  const it = of(key);
  if (!it) return;
  if (!it.keyboard) {
    unmark(it);
    it.above = LINES;
    send(it, { do: "close", id: it.id }).catch(() => {});
    return begin(it, null, false);
  }
  mark(key);
  const id = nextId++, held = it.mark;
  let over = false;
  const done = () => { over = true; order(JSON.stringify({ do: "close", id })).catch(() => {}); };
  const heed = (message) => {
    // One painting: those that follow have fewer lines above.
    if (over || (message[0] !== SCREEN && message[0] !== FAULT)) return;
    done();
    if (message[0] === FAULT || it.mark !== held) return;
    const offset = Number(new DataView(message.buffer, message.byteOffset).getBigUint64(1, true));
    it.expected = Math.max(offset, it.expected ?? 0);
    it.term.write(AFRESH);
    it.term.write(message.subarray(13), () => { if (it.mark === held) remark(it); });
  };
  const what = { do: "open", id, session: it.session, from: null, lines_above: LINES, keyboard: false, flood_ms: 0 };
  attach(JSON.stringify(what), heed).catch(done);
}

// Copy mode begins: keys move a mark, what is marked can be copied, and no key is the program's.
export function mark(key) {
  const it = of(key);
  if (!it || it.mark) return;
  it.later = [];
  remark(it);
}

function remark(it) {
  it.mark?.end();
  it.mark = new Mark(it.term);
  tellMark(it);
}

function tellMark(it) {
  inSight(it);
  it.told("mark", JSON.stringify(it.mark.says()), 0);
}

// Copy mode is over: what came meanwhile is shown.
function unmark(it) {
  if (!it.mark) return;
  it.mark.end();
  it.mark = null;
  it.term.scrollToBottom();
  it.told?.("mark", "", 0);
  for (const go of it.later.splice(0)) go();
}

// Heeds a key's word in copy mode. Returns whether it was one of its keys; every plain key is.
export function press(key, word) {
  const it = of(key);
  if (!it?.mark || word.startsWith("ctrl+") || word.startsWith("alt+") || /f\d+$/.test(word) || word === "tab" || word === "?") return false;
  if (word === "n" || word === "shift+n") { if (it.sought) find(key, it.sought, word !== "n"); return true; }
  const came = it.mark.press(word);
  if (came === "copy") {
    it.told("copied", "", copy(key));
    unmark(it);
  } else if (came === "leave") unmark(it);
  else if (came) tellMark(it);
  return true;
}

// Scrolls by a key's word. Returns whether it was one that scrolls.
export function scroll(key, word) {
  const it = of(key);
  if (it?.mark) return false;
  const by = it && { arrowup: () => it.term.scrollLines(-1), arrowdown: () => it.term.scrollLines(1), k: () => it.term.scrollLines(-1), j: () => it.term.scrollLines(1), pageup: () => it.term.scrollPages(-1), pagedown: () => it.term.scrollPages(1), home: () => it.term.scrollToTop(), end: () => it.term.scrollToBottom() }[word];
  if (by) { by(); goesOn(it); }
  return Boolean(by);
}

// Finds a text: the next one, the one before, or while it is typed (`back` undefined) the one that is found already if it
// still fits. Returns whether it is there.
export function find(key, text, back) {
  const it = of(key);
  if (!it) return false;
  it.sought = text;
  if (!text) { it.term.clearSelection(); return true; }
  const found = back === undefined ? it.search.findNext(text, { incremental: true }) : back ? it.search.findPrevious(text) : it.search.findNext(text);
  if (it.mark) tellMark(it);
  return found;
}

// Copies what is selected. Returns how many signs that were. `clip` tells whether a text was copied.
export function copy(key) {
  const text = of(key)?.term.getSelection() ?? "";
  if (text) clip(text);
  return text.length;
}
export async function clip(text) {
  // Where the webview keeps the clipboard to itself, the old way through a field works.
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "hide";
  const before = document.activeElement;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus?.();
  return done || (navigator.clipboard?.writeText(text).then(() => true, () => false) ?? false);
}

// Whether screens are put into words for readers of the screen; it costs time for every line.
const aloud = () => kept("ph.aloud") === "yes";
export function read_aloud() {
  const now = !aloud();
  keep("ph.aloud", now ? "yes" : "");
  for (const it of pool) it.term.options.screenReaderMode = now;
}

function confirmPaste(it, text) {
  if (it.paste === text) { it.paste = null; it.told("paste", "", 0); return true; }
  it.paste = text;
  it.told("paste", String(text.split("\n").length), 0);
  return false;
}

// A screen that is larger than its place shows the row with the cursor; in copy mode that with the mark, and its column.
function inSight(it) {
  const screen = it.host.querySelector(".xterm-screen"), all = screen?.clientHeight ?? 0;
  if (it.mark && screen) {
    const row = (it.mark.y - it.term.buffer.active.viewportY) / it.term.rows * all, column = it.mark.x / it.term.cols * screen.clientWidth;
    const cell = { height: all / it.term.rows, width: screen.clientWidth / it.term.cols };
    it.host.scrollTop = Math.min(row, Math.max(it.host.scrollTop, row + cell.height - it.host.clientHeight));
    it.host.scrollLeft = Math.min(column, Math.max(it.host.scrollLeft, column + cell.width - it.host.clientWidth));
    return;
  }
  if (it.keyboard || reads(it) || all <= it.host.clientHeight) return;
  const foot = ((it.term.buffer.active.cursorY + 1) / it.term.rows) * all;
  it.host.scrollTop = Math.max(0, foot - it.host.clientHeight);
}

// Fits rows and columns to the element. Only whoever has the keyboard sizes the program's terminal; who watches sees it as
// it is, and scrolls.
function fit(it, always) {
  if (!it.keyboard || !it.host.isConnected) return;
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
    if (it) fit(it, false);
  }
});

// Colours of the theme, when it changes.
export function retheme() {
  const theme = colours();
  for (const it of pool) it.term.options.theme = theme;
}
addEventListener("ph-theme", () => requestAnimationFrame(retheme));

// The text of the screen, for tests.
function text(it) {
  const buffer = it.term.buffer.active;
  const lines = [];
  for (let n = 0; n < buffer.length; n++) lines.push(buffer.getLine(n)?.translateToString(true) ?? "");
  return lines.join("\n").trimEnd();
}
window.__terminal = () => pool.filter((it) => it.id).map(text).join("\n");
// And what stands on their screens alone, with whose they are and how large.
window.__screens = () => pool.filter((it) => it.id).map(({ session, term }) => {
  const { active } = term.buffer;
  const row = (_, n) => active.getLine(active.baseY + n)?.translateToString(true) ?? "";
  return { session, columns: term.cols, rows: term.rows, text: Array.from({ length: term.rows }, row) };
});
