// The lines between the boxes: down from owners, and along the sides of the machines to the Pods on them.

const SVG = "http://www.w3.org/2000/svg";
const BEND = 6;

// Draw every edge anew. Gives [{path, edge}].
export function lines(svg, stage, picture, boxes) {
  const origin = stage.getBoundingClientRect();
  svg.setAttribute("viewBox", `0 0 ${origin.width} ${origin.height}`);
  const places = new Map();
  const at = (id) => {
    if (!places.has(id)) places.set(id, measure(boxes.get(id).box, origin));
    return places.get(id);
  };
  const tracks = new Map(); // who a line comes from -> which of the tracks beside the Pods it takes
  const drawn = [];
  for (const edge of picture.edges) {
    if (!boxes.has(edge.from) || !boxes.has(edge.to)) continue;
    const track = tracks.get(edge.from) ?? tracks.set(edge.from, tracks.size % 3).get(edge.from);
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", route(at(edge.from), at(edge.to), track));
    path.setAttribute("class", `cv-line ${edge.kind}`);
    drawn.push({ path, edge });
  }
  svg.replaceChildren(...drawn.map(({ path }) => path));
  return drawn;
}

function measure(box, origin) {
  const { left, top, width, height } = box.getBoundingClientRect();
  const lane = box.closest(".cv-lane")?.getBoundingClientRect();
  return {
    left: left - origin.left,
    right: left - origin.left + width,
    top: top - origin.top,
    bottom: top - origin.top + height,
    x: left - origin.left + width / 2,
    y: top - origin.top + height / 2,
    lane: lane && {
      left: lane.left - origin.left,
      right: lane.right - origin.left,
      top: lane.top - origin.top,
      bottom: lane.bottom - origin.top,
    },
  };
}

function route(from, to, track) {
  if (to.lane && !from.lane) return beside(from, to, track);
  if (from.lane && !to.lane) return beside(to, from, track);
  const [upper, lower] = from.y <= to.y ? [from, to] : [to, from];
  if (lower.top <= upper.bottom) return `M ${from.x} ${from.y} L ${to.x} ${to.y}`;
  const half = (upper.bottom + lower.top) / 2;
  return `M ${upper.x} ${upper.bottom} C ${upper.x} ${half} ${lower.x} ${half} ${lower.x} ${lower.top}`;
}

// From above a machine along its left side to a Pod, from below along its right side.
function beside(other, pod, track) {
  const above = other.y < pod.y;
  const { lane } = pod;
  const x = above ? lane.left + 5 + track * 3 : lane.right - 5 - track * 3;
  const edge = above ? lane.top : lane.bottom;
  const start = above ? other.bottom : other.top;
  const half = (start + edge) / 2;
  const side = above ? pod.left : pod.right;
  const turn = above ? pod.y - BEND : pod.y + BEND;
  const inward = above ? x + BEND : x - BEND;
  return `M ${other.x} ${start} C ${other.x} ${half} ${x} ${half} ${x} ${edge} L ${x} ${turn} Q ${x} ${pod.y} ${inward} ${pod.y} L ${side} ${pod.y}`;
}
