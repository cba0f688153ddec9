// The terminals of a lab: which are open, which is in front, and what is said where one cannot be had. Each is a Shell.

import { Shell } from "./shell.js";
import { ask, coming, reachable, running, told } from "./workspace.js";

const lab = document.getElementById("lab");
const empty = document.getElementById("terminal-empty");
const more = document.getElementById("terminal-new");
const notice = document.getElementById("terminal-notice");
const said = document.getElementById("terminal-said");
const SLOWEST = 8_000; // ms between two tries to reach the workspace
const TICK = 5_000; // ms between two looks at the clock
const SLEPT = 20_000; // ms without a tick: the machine has slept, and its connections may be dead
const LONG = 60_000; // ms that a page was hidden: the same

const shells = new Map(); // name -> Shell, in the order of the bar
let active = null;
let waiting = []; // what was asked to be run before a terminal was there
let opening = null;
let looking = null;
let again = 400; // ms until the workspace is asked again
let next = 0; // the timer of that
const ANEW = "Your workspace was started anew, so what ran in its terminals has ended. Your files are kept.";
const ENDED = "Your workspace has ended; it comes back when the lab is started. Your files are kept.";
const SILENT = "Your workspace does not answer. It is started again by itself; your files are kept.";
let trouble = ""; // why no terminal can be had, as long as none can
let news = ""; // what has happened, until somebody types
let away = false; // nobody is signed in any more

const page = {
  list: document.getElementById("terminal-list"),
  place: document.getElementById("terminals"),
  changed(shell) {
    if (shell.ready) {
      trouble = "";
      if (shell === active) flush();
    }
    show();
  },
  typed() {
    if (!news) return;
    keep("read", told());
    news = "";
    show();
  },
  chosen(shell) {
    choose(shell);
    shell.term.focus();
  },
  async closed(shell) {
    const answer = await ask("DELETE", shell.name);
    if (answer.fault) complain(answer.fault);
    else drop(shell);
  },
  ended(shell) {
    news = "The shell has ended.";
    drop(shell);
  },
  async stands(shell) {
    looking ??= look().finally(() => (looking = null));
    await looking;
    return shells.has(shell.name) && !away;
  },
};

/** A terminal could not be reached, more than once: is it still there, is the workspace, is anybody signed in? */
async function look() {
  const answers = await reachable();
  const found = await ask("GET");
  if (away) return;
  if (found.fault) {
    trouble = found.fault;
  } else if (!answers && !running()) {
    trouble = "";
    ended(ENDED, [...shells.values()]);
  } else if (!answers) {
    trouble = SILENT;
    tell("workspace-gone");
  } else {
    trouble = "";
    const lost = [...shells.values()].filter((shell) => !shell.ready && !found.terminals.includes(shell.name));
    if (lost.length) ended(ANEW, lost);
  }
  show();
  if (!shells.size) begin();
}

function ended(sentence, lost) {
  news = sentence;
  lost.forEach(drop);
  tell("workspace-gone");
}

function drop(shell) {
  shell.remove();
  shells.delete(shell.name);
  forget(shell.name);
  if (active === shell) choose([...shells.values()].at(-1) || null);
  else show();
}

function choose(shell) {
  active = shell;
  for (const one of shells.values()) {
    one.screen.classList.toggle("shown", one === shell);
    one.button.setAttribute("aria-pressed", String(one === shell));
  }
  if (shell !== null) {
    keep("active", shell.name);
    shell.fitted();
  }
  show();
}

/** What the pane says, for things as they are now. */
function show() {
  const lost = active && !active.ready && active.failures > 0;
  const connecting = "The connection to this terminal is lost. Connecting again …";
  const sentence = (away && "You are not signed in any more. Sign in again, and your terminals are here.") ||
    (lost && (trouble || connecting)) || news || (active ? "" : trouble);
  const why = [ANEW, ENDED, SILENT].includes(sentence) ? told() : "";
  notice.hidden = !sentence;
  if (notice.textContent !== (why || sentence)) notice.textContent = why || sentence;
  const connected = !active || active.ready || lost;
  said.textContent = connected ? active && "F6 leaves the terminal" : "Connecting …";
  empty.hidden = active !== null;
  const words = opening || next ? "Your terminal is being opened …" : "No terminal is open.";
  const later = coming() ? "The terminal opens as soon as your cluster is there." : "The terminal opens when the lab is started.";
  empty.firstElementChild.textContent = running() ? words : later;
}

function flush() {
  for (const one of waiting.splice(0)) run(one);
}

function run({ text, enter, button }) {
  if (!active?.ready) {
    waiting.push({ text, enter, button });
    if (!running()) {
      waiting = [];
      complain("Start the lab first; then commands run in your terminal.");
    } else if (!active) {
      add();
    }
    return;
  }
  active.type(text, enter);
  if (!enter) active.term.focus();
  button?.classList.add("done");
}

function tell(name, detail) {
  document.dispatchEvent(new CustomEvent(`seatrial:${name}`, { detail }));
}

function complain(sentence) {
  tell("complain", { sentence });
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

function shell(name) {
  if (!shells.has(name)) shells.set(name, new Shell(name, number(name), lab.dataset.server, page));
  return shells.get(name);
}

async function add() {
  const made = await ask("POST");
  if (!made.name) {
    trouble = made.fault || "";
    if (made.status === 409 && shells.size) complain(made.fault); // as many as one may have
    show();
    return null;
  }
  choose(shell(made.name));
  return active;
}

async function first() {
  const [found, answers] = await Promise.all([ask("GET"), reachable()]);
  if (found.fault) trouble = found.fault;
  else if (!answers && again > 1_000) trouble = SILENT; // It may just be starting, with the lab.
  if (found.fault || !answers) return false;
  for (const name of (kept("names") || "").split(" ")) {
    if (name && name !== "-" && !found.terminals.includes(name)) forget(name);
  }
  const order = (kept("names") || "").split(" ");
  const rank = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
  for (const name of found.terminals.sort((a, b) => rank(a) - rank(b))) shell(name);
  if (shells.size) choose(shells.get(kept("active")) || shells.values().next().value);
  else if (!(await add())) return false;
  more.hidden = false;
  return true;
}

/** Once the lab runs: those terminals that are open, or a first one. Tried again until it works. */
async function begin() {
  if (!running() || opening || shells.size || away) return;
  clearTimeout(next);
  next = 0;
  opening = first().catch(() => false);
  show();
  const done = await opening;
  opening = null;
  if (!done && !away) next = setTimeout(begin, again);
  again = done ? 400 : Math.min(again * 1.5, SLOWEST);
  if (done) trouble = "";
  show();
}

function renewAll() {
  for (const one of shells.values()) one.renew();
}

// ---- a machine that slept, a network that was away, a page that nobody looked at ----

let ticked = Date.now();
setInterval(() => {
  const slept = Date.now() - ticked > SLEPT;
  ticked = Date.now();
  if (slept && !document.hidden) renewAll(); // A hidden page ticks slowly; it is looked after when it is shown.
}, TICK);
let hidden = 0;
document.addEventListener("visibilitychange", () => {
  if (document.hidden) hidden = Date.now();
  else if (hidden && Date.now() - hidden > LONG) renewAll();
  if (!document.hidden) ticked = Date.now();
});
addEventListener("online", renewAll);

document.addEventListener("seatrial:signed-out", () => {
  away = true;
  show();
});
document.addEventListener("seatrial:session", () => {
  if (told() && told() !== kept("read")) news = told();
  show();
});
// The page was fetched anew: whoever could do that is signed in.
document.addEventListener("seatrial:refreshed", () => {
  if (away) {
    away = false;
    renewAll();
  }
  show();
  begin();
});
more.addEventListener("click", async () => (await add())?.term.focus());
document.addEventListener("seatrial:run", (event) => run(event.detail));
document.addEventListener("seatrial:shown", () => active?.fitted());
show();
begin();
