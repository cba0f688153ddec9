// Tells the portal, once a minute at most, that somebody moves, types or scrolls on the lab's page: a page that is merely
// open is nobody's work, and its cluster may go to sleep.

const EVERY = 60_000; // ms
const lab = document.getElementById("lab");
const token = document.querySelector("meta[name=csrf-token]")?.content || "";
let told = -Infinity;

async function here() {
  if (performance.now() - told < EVERY) return;
  told = performance.now();
  try {
    await fetch(`${lab.dataset.url}/here`, { method: "POST", headers: { "X-CSRF-Token": token }, redirect: "manual" });
  } catch {
    // The portal is being started again, or the network is away: the next minute tells.
  }
}

// Not "scroll": what a terminal prints scrolls as well.
for (const deed of ["keydown", "pointerdown", "pointermove", "wheel", "touchmove"]) {
  document.addEventListener(deed, here, { capture: true, passive: true });
}
