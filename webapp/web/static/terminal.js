// Terminals of the student's workspace: xterm.js over Jupyter's websocket. A terminal outlives the page: its name is kept by
// the workspace, and when it is connected to again, what stood on it comes first.

import { Terminal } from "./vendor/xterm.js";
import { FitAddon } from "./vendor/addon-fit.js";

const lab = document.getElementById("lab");
const list = document.getElementById("terminal-list");
const place = document.getElementById("terminals");
const empty = document.getElementById("terminal-empty");
const more = document.getElementById("terminal-new");
const said = document.getElementById("terminal-said");
const token = document.querySelector("meta[name=csrf-token]")?.content || "";
const SLOWEST = 8000; // ms between two tries to connect again
const COLOURS = {
  background: "#10161d", foreground: "#dbe4ec", cursor: "#7fbaff", cursorAccent: "#10161d", selectionBackground: "#2d4f74",
  black: "#2b3742", red: "#ff8f86", green: "#63d591", yellow: "#f0c36a", blue: "#7fbaff", magenta: "#d7a6ff", cyan: "#6fd6d6",
  white: "#dbe4ec", brightBlack: "#8795a3", brightRed: "#ffb1aa", brightGreen: "#93e5b3", brightYellow: "#ffdb97",
  brightBlue: "#a9d1ff", brightMagenta: "#e6c8ff", brightCyan: "#9de8e8", brightWhite: "#ffffff",
};

const shells = new Map(); // name -> Shell, in the order of the bar
let active = null;
let waiting = []; // what was asked to be run before a terminal was there
let opening = null;
let again = 400; // ms until the workspace is asked again

class Shell {
  constructor(name) {
    this.name = name;
    this.number = number(name);
    this.wait = 400;
    this.ended = false;
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
    place.append(this.screen);
    this.term.open(this.screen);
    this.term.textarea?.setAttribute("aria-label", `Terminal ${this.number}. F6 leaves it.`);
    this.term.attachCustomKeyEventHandler((event) => this.key(event));
    this.term.onData((text) => this.send(["stdin", text]));
    this.term.onResize(() => this.size());
    this.watch = new ResizeObserver(() => this.fitted());
    this.watch.observe(this.screen);
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.textContent = `Terminal ${this.number}`;
    this.button.addEventListener("click", () => {
      choose(this);
      this.term.focus();
    });
    this.close = document.createElement("button");
    this.close.type = "button";
    this.close.className = "close";
    this.close.textContent = "×";
    this.close.setAttribute("aria-label", `Close terminal ${this.number}`);
    this.close.addEventListener("click", () => this.end());
    list.append(this.button, this.close);
    this.connect();
  }

  /** F6 leaves the terminal, which takes every other key. */
  key(event) {
    if (event.key !== "F6" || event.type !== "keydown") return true;
    event.preventDefault();
    this.button.focus();
    return false;
  }

  connect() {
    const address = new URL(`${lab.dataset.server}terminals/websocket/${encodeURIComponent(this.name)}`, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(address);
    this.socket.onmessage = (event) => this.heard(event.data);
    this.socket.onclose = () => this.lost();
  }

  heard(data) {
    let kind;
    let content;
    try {
      [kind, content] = JSON.parse(data);
    } catch {
      return; // Not of the terminal's language: nothing to show.
    }
    if (kind === "setup") {
      this.term.reset(); // What stood on it comes now, also after a lost connection.
      this.wait = 400;
      this.ready = true;
      this.size();
      if (this === active) {
        state("");
        flush();
      }
    } else if (kind === "stdout" && typeof content === "string") {
      this.term.write(content);
    } else if (kind === "disconnect") {
      this.ended = true;
    }
  }

  lost() {
    this.ready = false;
    if (this.gone) return;
    if (this.ended) {
      this.remove();
      state("The shell has ended.");
      return;
    }
    if (this === active) state("Connecting again …");
    setTimeout(() => !this.gone && this.connect(), this.wait);
    this.wait = Math.min(this.wait * 2, SLOWEST);
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

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
    this.send(["stdin", enter ? `${pasted}\r` : pasted]);
  }

  async end() {
    const answer = await ask(`${lab.dataset.terminals}/${encodeURIComponent(this.name)}`, "DELETE");
    if (answer) this.remove();
  }

  remove() {
    this.gone = true;
    this.socket.close();
    this.watch.disconnect();
    this.term.dispose();
    this.screen.remove();
    this.button.remove();
    this.close.remove();
    shells.delete(this.name);
    forget(this.name);
    if (active === this) choose([...shells.values()].at(-1) || null);
  }
}

function choose(shell) {
  active = shell;
  for (const one of shells.values()) {
    one.screen.classList.toggle("shown", one === shell);
    one.button.setAttribute("aria-pressed", String(one === shell));
  }
  empty.hidden = shell !== null;
  if (shell === null) {
    empty.firstElementChild.textContent = "No terminal is open.";
    return;
  }
  keep("active", shell.name);
  shell.fitted();
  state(shell.ready ? "" : "Connecting …");
}

function state(sentence) {
  said.textContent = sentence || "F6 leaves the terminal";
}

function flush() {
  for (const one of waiting.splice(0)) run(one);
}

function run({ text, enter, button }) {
  if (!active?.ready) {
    waiting.push({ text, enter, button });
    if (!active && running()) add();
    else if (!running()) {
      waiting = [];
      tell("Start the lab first; then commands run in your terminal.");
    }
    return;
  }
  active.type(text, enter);
  if (!enter) active.term.focus();
  button?.classList.add("done");
}

function tell(sentence) {
  document.dispatchEvent(new CustomEvent("seatrial:complain", { detail: { sentence } }));
}

/** A terminal's number, the same after a reload. */
function number(name) {
  const names = (kept("names") || "").split(" ").filter(Boolean);
  if (!names.includes(name)) {
    const free = names.findIndex((one) => one === "-");
    if (free < 0) names.push(name);
    else names[free] = name;
    keep("names", names.join(" "));
  }
  return names.indexOf(name) + 1;
}

function forget(name) {
  const names = (kept("names") || "").split(" ").filter(Boolean);
  keep("names", names.map((one) => (one === name ? "-" : one)).join(" "));
}

function keep(key, value) {
  try {
    sessionStorage.setItem(`seatrial.terminal.${lab.dataset.slug}.${key}`, value);
  } catch {
    // A browser that keeps nothing opens the first terminal.
  }
}

function kept(key) {
  try {
    return sessionStorage.getItem(`seatrial.terminal.${lab.dataset.slug}.${key}`);
  } catch {
    return null;
  }
}

/** Ask the portal; JSON, {} for an empty answer, null where it was refused, which is said. */
async function ask(url, method) {
  try {
    const headers = { Accept: "application/json", ...(method === "GET" ? {} : { "X-CSRF-Token": token }) };
    const answer = await fetch(url, { method, headers });
    if (answer.status === 204) return {};
    const body = await answer.json();
    if (answer.ok) return body;
    state(body.error || "The terminal cannot be had at the moment.");
  } catch {
    state("The portal does not answer; trying again …");
  }
  return null;
}

/**
 * The workspace's own cookie, which the websocket needs: any page of it hands it out, by way of the Hub. Answers of its API
 * would not, and a request that reads its answer would be asked for a token that scripts of other paths cannot have: so
 * "no-cors", as for a picture.
 */
async function signIn() {
  const answer = await fetch(`${lab.dataset.server}lab`, { mode: "no-cors", credentials: "same-origin" });
  return answer.ok && new URL(answer.url).pathname.startsWith(lab.dataset.server);
}

function running() {
  return document.getElementById("session")?.dataset.state === "running";
}

async function add() {
  const made = await ask(lab.dataset.terminals, "POST");
  if (!made?.name) return null;
  const shell = shells.get(made.name) || new Shell(made.name);
  shells.set(made.name, shell);
  choose(shell);
  return shell;
}

/** Once the lab runs: those terminals that are open, or a first one. Tried again until it works. */
async function begin() {
  if (!running() || opening || shells.size) return;
  opening = (async () => {
    empty.firstElementChild.textContent = "Your terminal is being opened …";
    const [found, signed] = await Promise.all([ask(lab.dataset.terminals, "GET"), signIn()]);
    if (!found || !signed) return false;
    for (const name of (kept("names") || "").split(" ")) {
      if (name && name !== "-" && !found.terminals.includes(name)) forget(name);
    }
    const order = (kept("names") || "").split(" ");
    const rank = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
    for (const name of found.terminals.sort((a, b) => rank(a) - rank(b))) shells.set(name, new Shell(name));
    if (shells.size) choose(shells.get(kept("active")) || shells.values().next().value);
    else if (!(await add())) return false;
    more.hidden = false;
    return true;
  })().catch(() => false);
  const done = await opening;
  opening = null;
  if (!done) setTimeout(begin, again);
  again = done ? 400 : Math.min(again * 1.5, SLOWEST);
}

more.addEventListener("click", async () => (await add())?.term.focus());
document.addEventListener("seatrial:run", (event) => run(event.detail));
document.addEventListener("seatrial:refreshed", begin);
document.addEventListener("seatrial:shown", () => active?.fitted());
begin();
