// The picture of a cluster in words.

const WORDS = {
  owns: ["owns", "owned by"],
  selects: ["sends to", "reached by"],
  routes: ["leads to", "led to by"],
  mounts: ["mounts", "mounted by"],
  binds: ["bound to", "bound to"],
  scales: ["scales", "scaled by"],
  allows: ["applies to", "under"],
};

// Who belongs to whom: {owner: id -> node, of: id -> Map(words -> names)}.
export function relations(picture) {
  const nodes = new Map(picture.nodes.map((node) => [node.id, node]));
  const owner = new Map();
  const of = new Map();
  const note = (id, words, other) => {
    const mine = of.get(id) ?? of.set(id, new Map()).get(id);
    (mine.get(words) ?? mine.set(words, []).get(words)).push(other);
  };
  for (const { from, to, kind } of picture.edges) {
    const [a, b] = [nodes.get(from), nodes.get(to)];
    if (!a || !b || !WORDS[kind]) continue;
    if (kind === "owns") owner.set(to, a);
    note(from, WORDS[kind][0], b);
    note(to, WORDS[kind][1], a);
  }
  return { owner, of };
}

// One box as a sentence: what it is, how it is, where, and what it belongs to.
export function say(node, related) {
  const where = node.node ? `on ${node.node}` : "";
  const space = node.namespace ? `in namespace ${node.namespace}` : "";
  const head = [`${node.count > 1 ? "" : `${node.kind} `}${node.name}`, node.detail.replace(/\.+$/, "")].filter(Boolean).join(": ");
  const parts = [[head, where, space].filter(Boolean).join(", ")];
  for (const [words, others] of related.of.get(node.id) ?? []) {
    const few = others.slice(0, 3).map((other) => (other.count > 1 ? other.name : `${other.kind} ${other.name}`));
    const more = others.length > 3 ? ` and ${others.length - 3} more` : "";
    parts.push(`${words} ${few.join(", ")}${more}`);
  }
  return `${parts.join("; ")}.`;
}
