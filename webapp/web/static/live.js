// What the server tells while a lab runs: server-sent events, handed on as events of the document.
//
//   seatrial:tasks     {tasks, score, points, skipped_points, stale, notice}
//   seatrial:cluster   {namespace, machines, nodes, edges, left_out}
//   seatrial:session   {desired, observed, place, fault, generation, ready, hand, workspace_fault}
//   seatrial:live      {connected}
//
// The place is the element with data-events. A page that nobody looks at lets its stream go; it comes back whole.

const NAMES = ["tasks", "cluster", "session"];
const HIDDEN_FOR = 60_000;
const FIRST_PAUSE = 2_000;
const LONGEST_PAUSE = 30_000;

let source = null;
let retry = 0;
let pause = FIRST_PAUSE;
let hidden = 0;

const place = () => document.querySelector("[data-events]");
const say = (name, detail) => document.dispatchEvent(new CustomEvent(`seatrial:${name}`, { detail }));

// A lab that was never started has nothing to tell.
function wanted() {
  const session = document.getElementById("session");
  return Boolean(place()) && (!session || session.dataset.state !== "none");
}

function open() {
  clearTimeout(retry);
  if (source || !wanted()) return;
  source = new EventSource(place().dataset.events);
  source.addEventListener("open", () => {
    pause = FIRST_PAUSE;
    say("live", { connected: true });
  });
  for (const name of NAMES) source.addEventListener(name, (event) => say(name, JSON.parse(event.data)));
  source.addEventListener("error", () => {
    say("live", { connected: false });
    // A stream that broke off is taken up again by the browser; one that was refused is not.
    if (source.readyState !== EventSource.CLOSED) return;
    close();
    retry = setTimeout(open, pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  });
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);
  if (document.hidden) hidden = setTimeout(close, HIDDEN_FOR);
  else open();
});
addEventListener("pagehide", close);
addEventListener("pageshow", open);
// The session's part of the page was fetched anew: perhaps it has begun.
document.addEventListener("htmx:afterSettle", open);
document.addEventListener("seatrial:refreshed", open);
open();
