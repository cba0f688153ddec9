// One terminal: xterm.js over Jupyter's websocket. It outlives the page, and every connection: when it is connected to again,
// what stood on it comes first.

import { Terminal } from "./vendor/xterm.js";
import { FitAddon } from "./vendor/addon-fit.js";

const SLOWEST = 8_000; // ms between two tries to connect again
const SETUP_WITHIN = 10_000; // ms in which a terminal that was connected to must have spoken
const ANSWER_WITHIN = 10_000; // ms of silence after something was typed: then the connection is made anew
const TRIES = 2; // connections that fail in a row before the page asks whether the terminal is still there
const COLOURS = {
  background: "#10161d", foreground: "#dbe4ec", cursor: "#7fbaff", cursorAccent: "#10161d", selectionBackground: "#2d4f74",
  black: "#2b3742", red: "#ff8f86", green: "#63d591", yellow: "#f0c36a", blue: "#7fbaff", magenta: "#d7a6ff", cyan: "#6fd6d6",
  white: "#dbe4ec", brightBlack: "#8795a3", brightRed: "#ffb1aa", brightGreen: "#93e5b3", brightYellow: "#ffdb97",
  brightBlue: "#a9d1ff", brightMagenta: "#e6c8ff", brightCyan: "#9de8e8", brightWhite: "#ffffff",
};

export class Shell {
  /**
   * `page` has the places `list` and `place`, and is told: changed(shell), typed(), chosen(shell), closed(shell),
   * ended(shell). Its stands(shell) says whether a terminal that cannot be reached is to be tried again.
   */
  constructor(name, number, server, page) {
    Object.assign(this, { name, number, server, page, wait: 400, failures: 0, ready: false, ended: false, gone: false });
    this.term = new Terminal({
      allowProposedApi: false, cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches, fontSize: 14,
      fontFamily: 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace',
      scrollback: 5000, theme: COLOURS, minimumContrastRatio: 4.5,
    });
    this.fit = new FitAddon();
    this.term.loadAddon(this.fit);
    this.screen = document.createElement("div");
    this.screen.className = "screen";
    this.screen.id = `screen-${name}`;
    page.place.append(this.screen);
    this.term.open(this.screen);
    this.term.textarea?.setAttribute("aria-label", `Terminal ${number}. F6 leaves it.`);
    this.term.attachCustomKeyEventHandler((event) => this.key(event));
    this.term.onData((text) => {
      page.typed();
      this.stdin(text);
    });
    this.term.onResize(() => this.size());
    this.watch = new ResizeObserver(() => this.fitted());
    this.watch.observe(this.screen);
    this.button = this.made(`Terminal ${number}`, "", () => page.chosen(this));
    this.close = this.made("×", "close", () => page.closed(this));
    this.close.setAttribute("aria-label", `Close terminal ${number}`);
    this.connect();
  }

  made(text, name, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    if (name) button.className = name;
    button.addEventListener("click", act);
    this.page.list.append(button);
    return button;
  }

  /** F6 leaves the terminal, which takes every other key. */
  key(event) {
    if (event.key !== "F6" || event.type !== "keydown") return true;
    event.preventDefault();
    this.button.focus();
    return false;
  }

  // ---- the connection ----

  connect() {
    this.hangUp();
    if (this.gone) return;
    const address = new URL(`${this.server}terminals/websocket/${encodeURIComponent(this.name)}`, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(address);
    this.socket.onmessage = (event) => this.heard(event.data);
    this.socket.onclose = () => this.lost();
    this.patience = setTimeout(() => this.lost(), SETUP_WITHIN);
  }

  /** Let the connection go, whatever becomes of it: one that is half open takes minutes to close. */
  hangUp() {
    for (const timer of [this.patience, this.silence, this.again]) clearTimeout(timer);
    this.silence = 0;
    this.ready = false;
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** Connect anew, for the connection may be dead without anybody having said so. */
  renew() {
    this.wait = 400;
    this.connect();
    this.page.changed(this);
  }

  heard(data) {
    clearTimeout(this.silence);
    this.silence = 0;
    let kind;
    let content;
    try {
      [kind, content] = JSON.parse(data);
    } catch {
      return; // Not of the terminal's language: nothing to show.
    }
    if (kind === "setup") {
      clearTimeout(this.patience);
      this.term.reset(); // What stood on it comes now, also after a lost connection.
      this.wait = 400;
      this.failures = 0;
      this.ready = true;
      this.size();
      this.page.changed(this);
    } else if (kind === "stdout" && typeof content === "string") {
      this.term.write(content);
    } else if (kind === "disconnect") {
      this.ended = true;
    }
  }

  lost() {
    this.hangUp();
    if (this.gone) return;
    if (this.ended) {
      this.page.ended(this);
      return;
    }
    this.failures += 1;
    this.page.changed(this);
    this.again = setTimeout(() => this.retry(), this.wait);
    this.wait = Math.min(this.wait * 2, SLOWEST);
  }

  async retry() {
    if (this.failures >= TRIES && !(await this.page.stands(this))) return;
    if (!this.socket) this.connect();
  }

  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Whoever types is answered, mostly by the same letter. A connection that says nothing then is taken for half open. */
  stdin(text) {
    if (this.send(["stdin", text]) && !this.silence) this.silence = setTimeout(() => this.renew(), ANSWER_WITHIN);
  }

  // ---- the screen ----

  size() {
    const { rows, cols } = this.term;
    this.send(["set_size", rows, cols, this.screen.clientHeight, this.screen.clientWidth]);
  }

  fitted() {
    if (this.screen.clientWidth > 40 && this.screen.clientHeight > 30) this.fit.fit();
  }

  /** Type a text; with `enter`, run it. Several lines go in as one paste where the shell takes pastes. */
  type(text, enter) {
    const lines = text.replace(/\r?\n/g, "\r");
    const pasted = this.term.modes.bracketedPasteMode && lines.includes("\r") ? `\x1b[200~${lines}\x1b[201~` : lines;
    this.stdin(enter ? `${pasted}\r` : pasted);
  }

  remove() {
    this.gone = true;
    this.hangUp();
    this.watch.disconnect();
    this.term.dispose();
    this.screen.remove();
    this.button.remove();
    this.close.remove();
  }
}
