// Draws what there is in the cluster: workloads above, their Pods on the machines, and below what leads to them.
//
// Boxes are HTML that the browser lays out; only the lines between them are drawn, in SVG, behind the boxes. Every name
// is set as text. One stop for the Tab key; the arrow keys go to the nearest box, and the one that is chosen is told in
// a line of its own. The same as text stands below.

import { say, relations } from "./clusterwords.js";
import { lines } from "./clusterlines.js";

const ROWS = [
  ["Scaling", ["HorizontalPodAutoscaler", "CronJob"]],
  ["Workloads", ["Deployment", "StatefulSet", "DaemonSet", "ReplicationController", "Job"]],
  ["Sets", ["ReplicaSet"]],
  ["Machines", ["Pod"]],
  ["Services and claims", ["Service", "NetworkPolicy", "PersistentVolumeClaim"]],
  ["Ways in and volumes", ["Ingress", "PersistentVolume"]],
];
// No machine's name: those have no spaces.
const SEVERAL = "several nodes";
const NOWHERE = "no node";
// For so long what is gone stays visible as it goes, in milliseconds.
const LEAVING = 900;

const element = (name, className, text) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

class ClusterView {
  constructor(root) {
    this.root = root;
    this.boxes = new Map(); // id -> {node, box}
    this.lanes = new Map(); // machine -> {lane, body, dot}
    this.picture = null;
    this.chosen = null;
    this.first = true;
    this.build();
    new ResizeObserver(() => this.connect()).observe(this.stage);
    document.fonts?.ready.then(() => this.connect());
  }

  build() {
    this.stage = element("div", "cv-stage");
    this.stage.setAttribute("role", "group");
    this.svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.svg.setAttribute("class", "cv-lines");
    this.svg.setAttribute("aria-hidden", "true");
    this.stage.append(this.svg);
    this.rows = ROWS.map(([label]) => {
      const row = element("div", label === "Machines" ? "cv-machines" : "cv-row");
      row.setAttribute("role", "group");
      row.setAttribute("aria-label", label);
      this.stage.append(row);
      return row;
    });
    this.empty = element("p", "cv-empty quiet", "Nothing of yours is in the cluster yet.");
    this.detail = element("p", "cv-detail");
    this.detail.setAttribute("role", "status");
    this.legend = element("p", "cv-legend quiet");
    for (const [state, word] of [["ok", "well"], ["pending", "on the way"], ["bad", "in trouble"], ["gone", "going"]]) {
      const one = element("span");
      one.append(element("i", `cv-dot ${state}`), word);
      this.legend.append(one);
    }
    this.text = element("details", "cv-text");
    this.list = element("ul");
    this.text.append(element("summary", "", "The same as text"), this.list);
    this.text.addEventListener("toggle", () => this.write());
    // The detail stands last, so that nothing moves under the pointer when it grows.
    this.root.replaceChildren(this.stage, this.legend, this.text, this.detail);
    this.stage.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["pointerover", "focusin"]) {
      this.stage.addEventListener(name, (event) => this.point(event.target.closest(".cv-box")));
    }
    this.stage.addEventListener("pointerleave", () => this.point(null));
    this.stage.addEventListener("focusout", () => this.point(null));
    this.stage.addEventListener("click", (event) => {
      const box = event.target.closest(".cv-box");
      if (box) this.choose(box.dataset.id);
    });
  }

  draw(picture) {
    this.picture = picture;
    this.related = relations(picture);
    this.machines(picture.machines);
    const there = new Set(picture.nodes.map((node) => node.id));
    for (const [id, { box }] of this.boxes) if (!there.has(id)) this.leave(id, box);
    const last = new Map(); // row or lane -> the box placed in it last
    for (const node of this.order(picture)) this.place(node, last);
    this.empty.hidden = picture.nodes.length > 0;
    if (!picture.nodes.length) this.stage.prepend(this.empty);
    const left = picture.left_out ? ` ${picture.left_out} more are not drawn.` : "";
    this.stage.setAttribute(
      "aria-label",
      `The cluster: ${picture.nodes.length} objects on ${picture.machines.length} machines. Arrow keys move between them.${left}`,
    );
    if (this.chosen && !there.has(this.chosen)) this.chosen = null;
    this.rove();
    this.tell();
    this.write();
    this.first = false;
    requestAnimationFrame(() => this.connect());
  }

  // Owners in the order of their names, and what belongs to them in the order of the owners: so few lines cross.
  order(picture) {
    const rank = new Map();
    const owner = new Map(picture.edges.filter((e) => e.kind === "owns").map((e) => [e.to, e.from]));
    const near = new Map();
    for (const edge of picture.edges) if (edge.kind !== "owns") near.set(edge.from, near.get(edge.from) ?? edge.to);
    const by = (node) => rank.get(owner.get(node.id) ?? near.get(node.id)) ?? Infinity;
    const sorted = [];
    for (const row of [1, 2, 3, 0, 4, 5]) {
      const mine = picture.nodes.filter((node) => ROWS[row][1].includes(node.kind));
      mine.sort((a, b) => by(a) - by(b) || a.kind.localeCompare(b.kind) || a.name.localeCompare(b.name));
      for (const node of mine) rank.set(node.id, rank.size);
      sorted.push(...mine);
    }
    return sorted;
  }

  machines(list) {
    const row = this.rows[3];
    this.known = new Set(list.map((machine) => machine.name));
    const used = new Set(this.picture.nodes.filter((node) => node.kind === "Pod").map((node) => this.laneOf(node)));
    const wanted = [...list, ...[SEVERAL, NOWHERE].filter((name) => used.has(name)).map((name) => ({ name, state: "", detail: "" }))];
    for (const [name, lane] of this.lanes) {
      if (!wanted.some((one) => one.name === name)) {
        lane.lane.remove();
        this.lanes.delete(name);
      }
    }
    wanted.forEach((machine, index) => {
      const lane = this.lanes.get(machine.name) ?? this.lane(machine.name);
      lane.dot.className = `cv-dot ${machine.state}`;
      lane.dot.hidden = !machine.state;
      lane.state.textContent = machine.state === "ok" ? "" : machine.detail;
      lane.lane.setAttribute("aria-label", [lane.label, machine.detail].filter(Boolean).join(", "));
      if (row.children[index] !== lane.lane) row.insertBefore(lane.lane, row.children[index] ?? null);
    });
    row.style.setProperty("--lanes", Math.min(wanted.length, 6));
    row.style.setProperty("--lanes-narrow", wanted.length === 4 ? 2 : Math.min(wanted.length, 3));
  }

  // The machine that a Pod is on; many together are on several.
  laneOf(node) {
    if (node.count > 1) return SEVERAL;
    return this.known.has(node.node) ? node.node : NOWHERE;
  }

  lane(name) {
    const label = { [SEVERAL]: "on several nodes", [NOWHERE]: "on no node yet" }[name] ?? name;
    const lane = element("div", label === name ? "cv-lane" : "cv-lane cv-nowhere");
    lane.setAttribute("role", "group");
    const head = element("p", "cv-machine");
    const dot = element("i", "cv-dot");
    const state = element("span", "cv-state");
    head.append(dot, element("span", "cv-name", label), state);
    const body = element("div", "cv-pods");
    lane.append(head, body);
    const made = { lane, body, dot, state, label };
    this.lanes.set(name, made);
    return made;
  }

  place(node, last) {
    let box = this.boxes.get(node.id)?.box;
    if (!box) {
      box = element("button", "cv-box");
      box.type = "button";
      box.tabIndex = -1;
      box.dataset.id = node.id;
      box.append(element("i", "cv-dot"), element("span", "cv-kind"), element("span", "cv-name"), element("span", "cv-state"));
      if (!this.first) box.classList.add("cv-new");
    }
    const [dot, kind, name, state] = box.children;
    box.dataset.kind = node.kind;
    box.dataset.state = node.state;
    dot.className = `cv-dot ${node.state}`;
    kind.textContent = node.kind;
    name.textContent = (node.namespace ? `${node.namespace}/` : "") + this.short(node);
    state.textContent = node.detail;
    box.title = node.name;
    box.setAttribute("aria-label", say(node, this.related));
    this.boxes.set(node.id, { node, box });
    const parent =
      node.kind === "Pod"
        ? this.lanes.get(this.laneOf(node)).body
        : this.rows[ROWS.findIndex(([, kinds]) => kinds.includes(node.kind))];
    let next = last.has(parent) ? last.get(parent).nextSibling : parent.firstChild;
    while (next?.classList.contains("cv-leaving")) next = next.nextSibling;
    // Moved only where it stands wrongly, as moving would take the focus away.
    if (next !== box) parent.insertBefore(box, next);
    last.set(parent, box);
  }

  // In its owner's company a Pod's or ReplicaSet's name is known but for its end.
  short(node) {
    const owner = this.related.owner.get(node.id);
    return owner && node.count === 1 && node.name.startsWith(`${owner.name}-`) ? `…${node.name.slice(owner.name.length + 1)}` : node.name;
  }

  leave(id, box) {
    this.boxes.delete(id);
    if (box.contains(document.activeElement)) this.stage.querySelector(".cv-box:not(.cv-leaving)")?.focus();
    box.classList.remove("cv-new");
    box.classList.add("cv-leaving");
    box.dataset.state = "gone";
    box.firstChild.className = "cv-dot gone";
    box.setAttribute("aria-hidden", "true");
    box.tabIndex = -1;
    setTimeout(() => box.remove(), LEAVING);
  }

  connect() {
    if (!this.picture || !this.stage.offsetParent) return;
    this.drawn = lines(this.svg, this.stage, this.picture, this.boxes);
    this.light(this.pointed);
  }

  // Light what belongs to a box, and dim the rest.
  point(box) {
    this.pointed = box?.dataset.id ?? null;
    this.light(this.pointed);
    this.tell();
  }

  light(id) {
    const of = id ?? this.chosen;
    const near = new Set(of ? [of] : []);
    for (const { path, edge } of this.drawn ?? []) {
      const lit = of && (edge.from === of || edge.to === of);
      path.classList.toggle("lit", Boolean(lit));
      if (lit) near.add(edge.from).add(edge.to);
    }
    this.stage.classList.toggle("cv-pointed", Boolean(of) && near.size > 1);
    for (const [other, { box }] of this.boxes) box.classList.toggle("near", near.has(other));
  }

  choose(id) {
    this.chosen = this.chosen === id ? null : id;
    this.rove(id);
    this.point(null);
  }

  rove(id) {
    const current = id ?? [...this.boxes].find(([, { box }]) => box.tabIndex === 0)?.[0] ?? this.boxes.keys().next().value;
    for (const [other, { box }] of this.boxes) {
      box.tabIndex = other === current ? 0 : -1;
      box.setAttribute("aria-pressed", String(other === this.chosen));
    }
  }

  tell() {
    const shown = this.boxes.get(this.pointed ?? this.chosen);
    const text = shown ? say(shown.node, this.related) : "Point at something, or choose it, to see what it belongs to.";
    if (this.detail.textContent !== text) this.detail.textContent = text;
    this.detail.classList.toggle("quiet", !shown);
  }

  write() {
    if (!this.text.open || !this.picture) return;
    const machines = this.picture.machines.map((one) => element("li", "", `Node ${one.name}: ${one.detail}.`));
    const nodes = [...this.boxes.values()].map(({ node }) => element("li", "", say(node, this.related)));
    this.list.replaceChildren(...machines, ...nodes);
  }

  key(event) {
    const box = event.target.closest(".cv-box");
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (event.key === "Escape") this.chosen && this.choose(this.chosen);
    if (!box || !step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const next = this.nearest(box, step);
    if (!next) return;
    this.rove(next.dataset.id);
    next.focus();
  }

  nearest(box, [x, y]) {
    const middle = (one) => {
      const { left, top, width, height } = one.getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    };
    const [fromX, fromY] = middle(box);
    let best = null;
    let least = Infinity;
    for (const { box: other } of this.boxes.values()) {
      if (other === box) continue;
      const [toX, toY] = middle(other);
      const along = (toX - fromX) * x + (toY - fromY) * y;
      const aside = Math.abs((toX - fromX) * y) + Math.abs((toY - fromY) * x);
      if (along > 4 && along + aside * 2.5 < least) [best, least] = [other, along + aside * 2.5];
    }
    return best;
  }
}

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("clusterview.css", import.meta.url).href;
document.head.append(style);

let view = null;
document.addEventListener("seatrial:cluster", ({ detail }) => {
  const root = document.getElementById("cluster-view");
  if (!root) return;
  if (view?.root !== root) view = new ClusterView(root);
  view.draw(detail);
});
document.addEventListener("seatrial:tasks", ({ detail }) => view?.root.classList.toggle("cv-stale", Boolean(detail.stale)));
