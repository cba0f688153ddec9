// The student's workspace as its scripts see it: whether it can be reached, and what the portal says of its terminals.

const lab = document.getElementById("lab");
const token = document.querySelector("meta[name=csrf-token]")?.content || "";
const LONGEST = 20_000; // ms that an answer may take

/** Whether the lab runs, as the page has it. */
export function running() {
  return document.getElementById("session")?.dataset.state === "running";
}

/** Whether it was started and is on its way. */
export function coming() {
  return ["waiting", "preparing"].includes(document.getElementById("session")?.dataset.state);
}

let sentence = "";
document.addEventListener("seatrial:session", (event) => (sentence = event.detail?.workspace_fault || ""));

/** The sentence with which the platform ended the workspace of late, "" where it told none. */
export function told() {
  return sentence;
}

/**
 * Whether the workspace answers. It hands out its own cookie with that, which the websocket needs: any page of it does, by
 * way of the Hub. Answers of its API would not, and a request that reads its answer would be asked for a token that scripts
 * of other paths cannot have: so "no-cors", as for a picture.
 */
export async function reachable() {
  try {
    const answer = await fetch(`${lab.dataset.server}lab`, {
      mode: "no-cors", credentials: "same-origin", signal: AbortSignal.timeout(LONGEST),
    });
    return answer.ok && new URL(answer.url).pathname.startsWith(lab.dataset.server);
  } catch {
    return false;
  }
}

/**
 * Ask the portal about terminals. Gives what it answered; {fault, status} where it refused, and {fault, status: 0} where it
 * did not answer at all. Nobody signed in is told to the page.
 */
export async function ask(method, name = "") {
  const url = lab.dataset.terminals + (name && `/${encodeURIComponent(name)}`);
  try {
    const headers = { Accept: "application/json", ...(method === "GET" ? {} : { "X-CSRF-Token": token }) };
    const answer = await fetch(url, { method, headers, signal: AbortSignal.timeout(LONGEST) });
    if (answer.status === 204) return {};
    const body = await answer.json();
    if (answer.ok) return body;
    if (answer.status === 401) document.dispatchEvent(new CustomEvent("seatrial:signed-out"));
    return { fault: body.error || "The terminal cannot be had at the moment.", status: answer.status };
  } catch {
    return { fault: "The portal does not answer. Trying again …", status: 0 };
  }
}
