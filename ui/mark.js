// Copy mode: a mark that keys move through a terminal's lines, an anchor, and what lies between them as the terminal's own
// selection. Knows nothing of sessions; what stands here stands still, for whoever shows the terminal holds back what comes.

const wide = (term, x, y) => Math.max(1, term.buffer.active.getLine(y)?.getCell(x)?.getWidth() ?? 1);
const lineOf = (term, y) => term.buffer.active.getLine(y)?.translateToString(true) ?? "";
const before = (a, b) => a.y < b.y || (a.y === b.y && a.x <= b.x);

export class Mark {
  // Begins where a text is selected already, or else where the program's cursor is.
  constructor(term) {
    this.term = term;
    const buffer = term.buffer.active;
    this.x = Math.min(buffer.cursorX, term.cols - 1);
    this.y = buffer.baseY + buffer.cursorY;
    this.anchor = null;
    this.whole = false;
    if (!this.adopt()) this.show();
    // Somebody found or dragged over something meanwhile: that is what is marked now.
    this.heeds = term.onSelectionChange(() => this.ours || this.adopt());
  }

  adopt() {
    const it = this.term.getSelectionPosition();
    if (!it || !this.term.hasSelection()) return false;
    // The end is the cell behind the last one.
    const last = it.end.x > 0 ? { x: it.end.x - 1, y: it.end.y } : { x: this.term.cols - 1, y: it.end.y - 1 };
    this.anchor = { x: it.start.x, y: it.start.y };
    this.whole = false;
    [this.x, this.y] = [last.x, last.y];
    return true;
  }

  end() {
    this.heeds.dispose();
    this.term.clearSelection();
  }

  // Heeds a key's word. Returns "copy" or "leave" where that is what it means, "" if it means nothing, else "moved".
  press(word) {
    const { term } = this, rows = term.rows, last = term.buffer.active.length - 1;
    const moves = {
      arrowleft: () => this.step(-1), h: () => this.step(-1), arrowright: () => this.step(1), l: () => this.step(1),
      arrowup: () => this.go(this.x, this.y - 1), k: () => this.go(this.x, this.y - 1),
      arrowdown: () => this.go(this.x, this.y + 1), j: () => this.go(this.x, this.y + 1),
      home: () => this.go(0, this.y), 0: () => this.go(0, this.y),
      end: () => this.go(this.endOf(this.y), this.y), $: () => this.go(this.endOf(this.y), this.y),
      pageup: () => this.go(this.x, this.y - rows), pagedown: () => this.go(this.x, this.y + rows),
      g: () => this.go(0, 0), "shift+g": () => this.go(this.endOf(last), last),
      w: () => this.word(1), b: () => this.word(-1),
      v: () => this.set(false), space: () => this.set(false), "shift+v": () => this.set(true),
    };
    if (word === "escape" || word === "q") return "leave";
    if (word === "y" || word === "enter") return this.anchor ? "copy" : "";
    if (!moves[word]) return "";
    moves[word]();
    this.show();
    return "moved";
  }

  set(whole) {
    const off = this.anchor && this.whole === whole;
    this.anchor = off ? null : this.anchor ?? { x: this.x, y: this.y };
    this.whole = whole;
  }

  endOf(y) { return Math.max(0, lineOf(this.term, y).length ? this.widthOf(y) - 1 : 0); }
  // How many cells of a line are written.
  widthOf(y) {
    const line = this.term.buffer.active.getLine(y);
    for (let x = this.term.cols - 1; line && x >= 0; x--) if (line.getCell(x)?.getChars().trim()) return x + wide(this.term, x, y);
    return 0;
  }

  go(x, y) {
    const last = this.term.buffer.active.length - 1;
    this.y = Math.min(Math.max(y, 0), last);
    this.x = Math.min(Math.max(x, 0), this.term.cols - 1);
    // The second half of a wide sign is no place of its own.
    if (this.x > 0 && this.term.buffer.active.getLine(this.y)?.getCell(this.x)?.getWidth() === 0) this.x -= 1;
  }

  step(by) {
    const { term } = this, last = term.buffer.active.length - 1;
    const x = by > 0 ? this.x + wide(term, this.x, this.y) : this.x - 1;
    if (x < 0) { if (this.y > 0) this.go(this.endOf(this.y - 1), this.y - 1); }
    else if (x >= term.cols) { if (this.y < last) this.go(0, this.y + 1); }
    else this.go(x, this.y);
  }

  // To the next or the previous beginning of a word: what is not blank after what is.
  word(by) {
    const { term } = this, last = term.buffer.active.length - 1;
    const written = (x, y) => Boolean(term.buffer.active.getLine(y)?.getCell(x)?.getChars().trim());
    let [x, y] = [this.x, this.y];
    do {
      x += by;
      if (x < 0 || x >= term.cols) {
        y += by;
        if (y < 0 || y > last) return;
        x = by > 0 ? 0 : term.cols - 1;
      }
    } while (!written(x, y) || (x > 0 && written(x - 1, y)));
    this.go(x, y);
  }

  // The selection: from the anchor to the mark, both of them in it; the mark alone as long as there is no anchor.
  show() {
    const { term } = this, mark = { x: this.x, y: this.y }, anchor = this.anchor ?? mark;
    let [from, to] = before(anchor, mark) ? [anchor, mark] : [mark, anchor];
    if (this.anchor && this.whole) [from, to] = [{ x: 0, y: from.y }, { x: term.cols - 1, y: to.y }];
    const length = (to.y - from.y) * term.cols + to.x - from.x + wide(term, to.x, to.y);
    this.ours = true;
    try { term.select(from.x, from.y, length); } finally { this.ours = false; }
    const top = term.buffer.active.viewportY;
    if (this.y < top) term.scrollToLine(this.y);
    else if (this.y >= top + term.rows) term.scrollToLine(this.y - term.rows + 1);
  }

  // What is said of it: the line, how many there are, and how many signs are marked.
  says() {
    const marked = this.anchor ? this.term.getSelection().length : 0;
    return [this.y + 1, this.term.buffer.active.length, marked];
  }
}
