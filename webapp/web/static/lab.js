// The lab page: tabs, commands of the text, tasks as they turn, the session's state. Nothing here draws HTML from text.

import { reachable } from "./workspace.js";

const lab = document.getElementById("lab");
const toast = document.getElementById("toast");
const narrow = matchMedia("(max-width: 960px)");
const WORDS = { passed: "Done", failed: "Not yet", error: "Not checked", skipped: "Left out" };
const tell = (name, detail = {}) => document.dispatchEvent(new CustomEvent(`seatrial:${name}`, { detail }));

// ---- tabs: two bars, one for wide windows, one for narrow ones ----

const WORK = ["terminal", "jupyter", "cluster"];
const remembered = `seatrial.view.${lab.dataset.slug}`;

function show(view, { focus = false } = {}) {
  if (WORK.includes(view)) lab.dataset.work = view;
  lab.dataset.view = view;
  for (const tab of lab.querySelectorAll("[role=tab]")) {
    const chosen = tab.dataset.view ? tab.dataset.view === view : tab.dataset.work === lab.dataset.work;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen && focus && tab.offsetParent) tab.focus();
  }
  try {
    sessionStorage.setItem(remembered, view);
  } catch {
    // A browser that keeps nothing begins at the text again.
  }
  tell("shown", { view });
}

for (const bar of lab.querySelectorAll("[role=tablist]")) {
  bar.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) show(tab.dataset.view || tab.dataset.work);
  });
  bar.addEventListener("keydown", (event) => {
    const tabs = [...bar.querySelectorAll("[role=tab]")];
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    show(next.dataset.view || next.dataset.work, { focus: true });
  });
}

// ---- how much room each part has: by mouse, finger or arrow keys ----

function room(split, percent) {
  const [least, most] = [Number(split.ariaValueMin), Number(split.ariaValueMax)];
  const value = Math.round(Math.min(most, Math.max(least, percent)));
  lab.style.setProperty(split.dataset.split, `${value}%`);
  split.setAttribute("aria-valuenow", String(value));
  try {
    localStorage.setItem(`seatrial.room${split.dataset.split}`, String(value));
  } catch {
    // A browser that keeps nothing begins with our choice again.
  }
}

for (const split of lab.querySelectorAll(".split")) {
  const upright = split.getAttribute("aria-orientation") === "vertical";
  try {
    const kept = Number(localStorage.getItem(`seatrial.room${split.dataset.split}`));
    if (kept) room(split, kept);
  } catch {
    // As above.
  }
  split.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    split.setPointerCapture(event.pointerId);
    lab.classList.add("sizing"); // A frame would take the pointer's events.
    split.classList.add("held");
  });
  split.addEventListener("pointermove", (event) => {
    if (!split.hasPointerCapture(event.pointerId)) return;
    const box = split.parentElement.getBoundingClientRect();
    room(split, upright ? ((event.clientX - box.left) / box.width) * 100 : ((event.clientY - box.top) / box.height) * 100);
  });
  split.addEventListener("lostpointercapture", () => {
    lab.classList.remove("sizing");
    split.classList.remove("held");
  });
  split.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -3, ArrowUp: -3, ArrowRight: 3, ArrowDown: 3, PageUp: -12, PageDown: 12, Home: -100, End: 100 }[event.key];
    if (!step) return;
    event.preventDefault();
    room(split, Number(split.ariaValueNow) + step);
  });
}

// ---- the text: a click on a command runs it ----

for (const pre of lab.querySelectorAll(".code pre")) {
  if (pre.scrollWidth > pre.clientWidth) pre.tabIndex = 0; // What scrolls must be reachable by keyboard.
}

lab.addEventListener("click", async (event) => {
  const run = event.target.closest("button.run");
  if (run) {
    const text = run.parentElement.querySelector("code").textContent;
    if (narrow.matches || lab.dataset.work !== "terminal") show("terminal");
    tell("run", { text, enter: run.textContent === "Run", button: run });
    return;
  }
  const copy = event.target.closest("button.copy");
  if (copy) {
    const text = copy.parentElement.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(copy.parentElement.querySelector("code"));
      copy.textContent = "Selected: press Ctrl-C";
    }
    copy.addEventListener("blur", () => (copy.textContent = "Copy"), { once: true });
    return;
  }
  const link = event.target.closest(".task .title a");
  if (link && narrow.matches) show("text");
});

// ---- tasks ----

let newest = null; // the last report
const before = new Map(); // task -> outcome, as it was announced

function showTasks(report) {
  const notice = document.getElementById("tasks-notice");
  notice.hidden = !report.notice;
  notice.textContent = report.notice || "";
  if (!report.tasks?.length) return;
  newest = report;
  const news = [];
  let earned = 0;
  for (const task of report.tasks || []) {
    const item = document.getElementById(`task-${task.id}`);
    if (!item || !item.classList.contains("task")) continue;
    const was = before.get(task.id);
    if (was !== undefined && was !== task.outcome) {
      const turned = task.outcome === "passed" || was === "passed";
      if (turned) news.push(`${task.outcome === "passed" ? "Done" : "No longer done"}: ${task.title}.`);
      item.classList.toggle("turned", turned);
    }
    before.set(task.id, task.outcome);
    item.dataset.outcome = task.outcome;
    item.toggleAttribute("data-holding", Boolean(task.holding)); // true now, and has still to stay so
    const scored = task.outcome !== "error" && task.outcome !== "skipped";
    if (scored) earned += task.score;
    item.querySelector(".earned").textContent = scored ? String(Math.round(task.score * 100) / 100) : "–";
    item.querySelector(".state-word").textContent = `(${task.holding ? "true so far" : WORDS[task.outcome] || ""})`;
    item.querySelector(".checks").replaceChildren(...checks(task));
    const heading = document.getElementById(`text-${task.id}`);
    heading?.classList.toggle("passed", task.outcome === "passed");
  }
  const total = document.getElementById("tasks-total");
  if (total) total.textContent = `${Math.round(earned * 100) / 100} of ${report.points} points`;
  if (news.length) document.getElementById("tasks-said").textContent = news.join(" ");
}

function checks(task) {
  const open = task.checks.filter((check) => check.outcome !== "passed");
  const done = task.checks.length - open.length;
  const items = open.map((check) => {
    const item = document.createElement("li");
    item.dataset.outcome = check.outcome;
    const message = check.outcome === "skipped" ? check.message.replace(/^Skipped: /, "") : check.message;
    item.append(piece("span", "word", `${WORDS[check.outcome] || ""}:`), " ", piece("bdi", "", message));
    if (check.why) item.append(" ", piece("bdi", "why", check.why));
    return item;
  });
  if (done && open.length) {
    const item = document.createElement("li");
    item.className = "quiet";
    item.textContent = `${done} of ${task.checks.length} checks hold.`;
    items.push(item);
  }
  return items;
}

// Names in it are a student's own: what turns the direction of text is shown as what it is, and stays in its place.
const UNFIT = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function piece(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.textContent = text.replace(UNFIT, "\ufffd");
  return made;
}

document.addEventListener("seatrial:tasks", (event) => showTasks(event.detail));

// ---- the session ----

const session = () => document.getElementById("session");
let asking = false;
let stale = false; // was told of something new while an answer was under way, which may not know it
let sending = 0; // requests that a button has made: it must stay where it is until the answer is put in its place
let sent = 0;

/** Take the parts that the session changes from the page as it is now. */
async function refresh() {
  stale = true;
  if (asking) return;
  asking = true;
  while (stale && !sending) {
    stale = false;
    await fetched();
  }
  asking = false;
}

async function fetched() {
  const before = sent;
  try {
    const answer = await fetch(lab.dataset.url, { headers: { Accept: "text/html" }, redirect: "manual" });
    // Whoever is not signed in is sent to sign in.
    if (answer.type === "opaqueredirect") tell("signed-out");
    if (!answer.ok) return;
    welcome();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (sent !== before) {
      stale = true; // It was written before what somebody has asked for meanwhile.
      return;
    }
    for (const id of ["session", "handed-in", "tasks"]) swap(id, page);
    settle();
  } catch {
    // The portal is being started again, or the network is away: the next look will tell.
  }
}

function swap(id, page) {
  const old = document.getElementById(id);
  const fresh = page.getElementById(id);
  if (!old || !fresh) return;
  const focused = old.contains(document.activeElement) ? document.activeElement.textContent : null;
  const adopted = document.adoptNode(fresh);
  old.replaceWith(adopted);
  window.htmx?.process(adopted);
  if (focused !== null) [...adopted.querySelectorAll("button")].find((one) => one.textContent === focused)?.focus();
}

let generation = session()?.dataset.generation;

/** After the session's parts were fetched anew: the tasks as they were last seen, and word to the others. */
function settle() {
  const now = session();
  if (now.dataset.generation !== generation) {
    generation = now.dataset.generation;
    newest = null;
    before.clear();
  }
  if (newest) showTasks(newest);
  tell("refreshed", { state: now.dataset.state });
}

document.addEventListener("htmx:beforeSend", (event) => {
  sending += 1;
  sent += 1;
  // Not htmx's own word of the end: that goes to the button, which may have left the page.
  event.detail.xhr.addEventListener("loadend", () => {
    sending -= 1;
    if (stale && !sending) refresh();
  });
});
document.addEventListener("seatrial:session", refresh);
document.addEventListener("seatrial:workspace-gone", refresh);
// A stream that was refused does not say why: perhaps nobody is signed in any more.
document.addEventListener("seatrial:live", (event) => event.detail.connected || refresh());
document.addEventListener("htmx:afterSettle", settle);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());
// While the state passes by itself the page looks again, should no event tell of it.
setInterval(() => {
  if (session()?.hasAttribute("data-changes") && document.visibilityState === "visible") refresh();
}, 2500);

// ---- what asks first, and what was refused ----

const ask = document.getElementById("ask");
let asked = null;
document.addEventListener("htmx:confirm", (event) => {
  const sentence = event.detail.elt.dataset?.confirm;
  if (!sentence) return;
  event.preventDefault();
  asked = event.detail;
  document.getElementById("ask-text").textContent = sentence;
  ask.showModal();
});
document.getElementById("ask-yes").addEventListener("click", () => {
  ask.close();
  asked?.issueRequest(true);
});
document.getElementById("ask-no").addEventListener("click", () => ask.close());
ask.addEventListener("click", (event) => event.target === ask && ask.close());

function complain(sentence, link) {
  const box = document.createElement("div");
  box.className = "toast notice notice-error";
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => toast.replaceChildren());
  box.append(piece("span", "", sentence), link || close);
  toast.replaceChildren(box);
}

/** Nobody is signed in any more: in another window of the browser, or because it was long ago. */
function signedOut() {
  if (toast.querySelector("a")) return;
  const link = document.createElement("a");
  link.className = "button";
  link.href = lab.dataset.url;
  link.textContent = "Sign in";
  complain("You are not signed in any more. Nothing is lost: sign in again and go on.", link);
}

/** Somebody is signed in (again). */
function welcome() {
  if (toast.querySelector("a")) toast.replaceChildren();
}

document.addEventListener("seatrial:signed-out", signedOut);

document.addEventListener("seatrial:complain", (event) => complain(event.detail.sentence));
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) return signedOut();
  const page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  complain(page.querySelector("[role=alert], main p")?.textContent.trim() || "The portal did not take that. Reload the page and try again.");
});
document.addEventListener("htmx:sendError", () => complain("The portal does not answer. Nothing is lost; try again in a moment."));
document.addEventListener("htmx:beforeRequest", () => toast.querySelector("a") || toast.replaceChildren());

// ---- JupyterLab, once it is looked at ----

const AGAIN = 4_000; // ms until the workspace is asked again
const NOT_YET = "JupyterLab opens when the lab is started.";
const AWAY = "Your workspace is not running at the moment, and JupyterLab with it. It is started again by itself; your files are kept.";
let framing = null;
let soon = 0;

const jupyterPane = document.getElementById("pane-jupyter");
const notebook = `tree/labs/${lab.dataset.slug}/steps.ipynb`;

/** The frame, where JupyterLab is looked at and can be had; a sentence where it cannot. */
function jupyter() {
  const wanted = lab.dataset.view === "jupyter" || lab.dataset.work === "jupyter";
  clearTimeout(soon);
  if (framing || !wanted) return;
  framing = framed().finally(() => (framing = null));
}

async function framed() {
  const runs = session()?.dataset.state === "running";
  const frame = jupyterPane.querySelector("iframe");
  if (frame ? runs : !runs) return; // As it should be, or with nothing to be had.
  const there = await reachable();
  if (frame && !there) withoutFrame(NOT_YET);
  else if (!frame && there) jupyterPane.replaceChildren(ownWindow(), newFrame());
  else if (!frame) withoutFrame(AWAY);
}

function newFrame() {
  const frame = document.createElement("iframe");
  frame.title = "JupyterLab";
  // One document at a time, and laid out anew: what was stored in a window of another size does not fit a frame.
  frame.src = `${lab.dataset.server}doc/workspaces/${lab.dataset.slug}/${notebook}?reset`;
  // Where the workspace has ended, the Hub answers in its place, with a page that no frame may show.
  frame.addEventListener("load", () => {
    try {
      if (frame.contentWindow.location.pathname.startsWith(lab.dataset.server)) return;
    } catch {
      // A page that may not be framed is not ours to look at.
    }
    withoutFrame(AWAY);
  });
  return frame;
}

function ownWindow() {
  const bar = document.createElement("div");
  bar.className = "pane-bar";
  const link = document.createElement("a");
  link.href = `${lab.dataset.server}lab/${notebook}`;
  link.target = "_blank";
  link.textContent = "Open in a window of its own";
  bar.append(link);
  return bar;
}

function withoutFrame(sentence) {
  const box = document.createElement("div");
  box.className = "empty";
  box.append(piece("p", "", sentence));
  jupyterPane.replaceChildren(box);
  if (sentence === AWAY) soon = setTimeout(jupyter, AGAIN);
}
document.addEventListener("seatrial:workspace-gone", () => jupyterPane.querySelector("iframe") && withoutFrame(AWAY));
document.addEventListener("seatrial:shown", jupyter);
document.addEventListener("seatrial:refreshed", jupyter);

let first = "text";
try {
  first = sessionStorage.getItem(remembered) || "text";
} catch {
  // As above.
}
if (location.hash.startsWith("#task-")) first = "tasks";
show(document.getElementById(`tab-n-${first}`) ? first : "text");
