"use strict";

const LINES = 12; // strongest neighbours that a line leads to
const NAMED = 5; // strongest neighbours whose weight is written beside them, on wide screens
const LISTED = 10; // strongest neighbours in the table
const DISC = "#ffb000";

const data = JSON.parse(document.getElementById("graph-data").textContent);
const section = document.querySelector(".graph");
const form = section.querySelector("form");
const stage = section.querySelector(".window");
const [canvas, picture] = [stage.querySelector("canvas"), stage.querySelector("img")];
const { width, height } = data.window;
let shown = null; // graph, head, node and weights on the screen

/* Nodes: their places, as in the picture of the window. */
const centre = (axis, index) => axis.start + index * axis.step + axis.side / 2;
const nearest = (axis, at) => Math.min(Math.max(Math.round((at - centre(axis, 0)) / axis.step), 0), axis.count - 1);
const place = ({ rows, columns }, node) => ({
  row: Math.floor(node / columns.count),
  column: node % columns.count,
  x: centre(columns, node % columns.count),
  y: centre(rows, Math.floor(node / columns.count)),
});
const nodeAt = ({ rows, columns }, x, y) => nearest(rows, y) * columns.count + nearest(columns, x);
/* The part of the window that is nearer to a node than to others. */
const own = (axis, index, length) => [
  index === 0 ? 0 : Math.max(centre(axis, index) - axis.step / 2, 0),
  index === axis.count - 1 ? length : Math.min(centre(axis, index) + axis.step / 2, length),
];

/* Weights of the edges, computed as in the network: the softmax over the scores that are at least their mean. */
function unpacked({ steps, width, data }) {
  const whole = new Int16Array(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer);
  const size = whole.length / steps.length;
  return steps.map((step, head) =>
    Array.from({ length: size / width }, (_, node) =>
      Float64Array.from(whole.subarray(head * size + node * width, head * size + (node + 1) * width), (v) => v * step)));
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const norm = (a) => Math.sqrt(dot(a, a));

function prepare(graph) {
  graph.q = unpacked(graph.query);
  graph.heads = unpacked(graph.key).map((keys) => {
    const mean = keys[0].map((_, i) => keys.reduce((sum, key) => sum + key[i], 0) / keys.length);
    return { keys: keys.map((key) => key.map((v, i) => v - mean[i])), longest: Math.max(...keys.map(norm)) };
  });
}

function weightsOfHead(graph, head, node) {
  const query = graph.q[head][node];
  const { keys, longest } = graph.heads[head];
  const scores = Float64Array.from(keys, (key) => dot(query, key));
  const cut = -4 * 2 ** -23 * norm(query) * longest;
  const most = scores.reduce((a, b) => Math.max(a, b));
  const weights = scores.map((score) => (score < cut ? 0 : Math.exp(score - most)));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

/* `head` 0 is the mean of all; `kept` counts the neighbours of each head. */
function weightsOf(graph, head, node) {
  if (!graph.q) prepare(graph);
  const each = graph.heads.map((_, i) => (head === 0 || head === i + 1 ? weightsOfHead(graph, i, node) : null)).filter(Boolean);
  return {
    weights: each[0].map((_, i) => each.reduce((sum, one) => sum + one[i], 0) / each.length),
    kept: each.map((one) => one.reduce((count, weight) => count + (weight > 0), 0)),
  };
}

function show(graph, head, node) {
  const { weights, kept } = weightsOf(graph, head, node);
  const order = [...weights.keys()].filter((i) => weights[i] > 0).sort((a, b) => weights[b] - weights[a] || a - b);
  shown = { graph, head, node, weights, kept, order };
  draw();
  say();
}

/* Words, for everybody: in the live region and in the table. */
function where(graph, node) {
  const { x, y } = place(graph, node);
  const [px, py] = [Math.floor(data.window.left + x), Math.floor(data.window.top + y)];
  const outside = px < 0 || py < 0 || px >= data.photo.width || py >= data.photo.height;
  return outside ? "in the padding" : `x ${px}, y ${py}`;
}

function from(graph, node, other) {
  const [a, b] = [place(graph, node), place(graph, other)];
  const parts = [
    [b.x - a.x, "right", "left"],
    [b.y - a.y, "down", "up"],
  ].filter(([by]) => by !== 0).map(([by, more, less]) => `${Math.abs(by)} px ${by > 0 ? more : less}`);
  return parts.join(", ") || "the node itself";
}

const percent = (weight) => `${(weight * 100).toFixed(weight < 0.0995 ? 2 : 1)} %`;

function say() {
  const { graph, head, node, weights, kept, order } = shown;
  const all = weights.length;
  const name = `${graph.level[0].toUpperCase()}${graph.level.slice(1)} graph`;
  const first = order[0];
  const list = kept.length > 1 && kept.length <= 8 ? ` (head by head: ${kept.join(", ")})` : "";
  const heads = head === 0 && kept.length > 1 ? `in at least one head${list}` : `${kept.length > 1 || head ? `in head ${head || 1}` : ""}`;
  const strongest = first === node ? "It takes most from itself" : `The strongest neighbour is ${from(graph, node, first)}`;
  document.getElementById("said").textContent =
    `${name}, ${graph.step}. The node at ${where(graph, node)} keeps ${order.length} of ${all} nodes ${heads}`.trimEnd() +
    `. ${strongest}: weight ${percent(weights[first])}, ${(weights[first] * all).toFixed(1)} times an even share.`;
  document.getElementById("strongest").replaceChildren(...order.slice(0, LISTED).map((other) => {
    const row = document.createElement("tr");
    [percent(weights[other]), where(graph, other), from(graph, node, other)].forEach((text, i) => {
      const cell = row.insertCell();
      cell.textContent = text;
      if (i > 0) cell.className = "text";
    });
    return row;
  }));
}

/* The drawing. */
function draw() {
  if (!shown) return;
  const box = stage.getBoundingClientRect();
  canvas.width = Math.round(box.width * devicePixelRatio);
  canvas.height = Math.round(box.height * devicePixelRatio);
  const pen = canvas.getContext("2d");
  pen.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(picture, 0, 0, width, height);
  drawEdge(pen);
  if (form.elements.drawn.checked) drawGraph(pen, width / box.width);
}

/* `px` is a pixel of the page in pixels of the picture. */
function drawGraph(pen, px) {
  const { graph, node, weights, order } = shown;
  shade(pen, graph, weights);
  const start = place(graph, node);
  const most = weights[order[0]];
  const radius = Math.min(0.48 * graph.rows.step, Math.max(width, height) / 32);
  for (const other of order.slice(0, LINES).reverse()) {
    const end = place(graph, other);
    for (const [colour, thick] of [["#000", 3.5], ["#fff", 1.5]]) {
      stroke(pen, colour, thick * px, () => { pen.moveTo(start.x, start.y); pen.lineTo(end.x, end.y); });
    }
  }
  for (const other of [...order].reverse()) {
    const { x, y } = place(graph, other);
    pen.beginPath();
    pen.arc(x, y, radius * Math.sqrt(weights[other] / most), 0, 2 * Math.PI);
    pen.fillStyle = DISC;
    pen.fill();
    pen.lineWidth = px;
    pen.strokeStyle = "#000";
    pen.stroke();
  }
  const [wide, high] = [graph.columns.side, graph.rows.side];
  for (const [colour, thick] of [["#000", 6], ["#fff", 3]]) {
    stroke(pen, colour, thick * px, () => pen.rect(start.x - wide / 2, start.y - high / 2, wide, high));
  }
  write(pen, px, order.slice(0, width / px < 480 ? 3 : NAMED).filter((other) => other !== node), radius);
}

function stroke(pen, colour, thick, path) {
  pen.beginPath();
  path();
  pen.strokeStyle = colour;
  pen.lineWidth = thick;
  pen.stroke();
}

/* Dropped nodes lose their colour and most of their light. */
function shade(pen, graph, weights) {
  pen.save();
  pen.beginPath();
  weights.forEach((weight, i) => {
    if (weight > 0) return;
    const { row, column } = place(graph, i);
    const [[left, right], [top, bottom]] = [own(graph.columns, column, width), own(graph.rows, row, height)];
    pen.rect(left, top, right - left, bottom - top);
  });
  pen.clip();
  pen.globalCompositeOperation = "saturation";
  pen.fillStyle = "#808080";
  pen.fillRect(0, 0, width, height);
  pen.globalCompositeOperation = "source-over";
  pen.fillStyle = "rgb(0 0 0 / 0.7)";
  pen.fillRect(0, 0, width, height);
  pen.restore();
}

/* Where the photo ends inside the window. */
function drawEdge(pen) {
  const { left, top } = data.window;
  pen.save();
  pen.setLineDash([width / 64, width / 64]);
  for (const colour of ["#000", "#fff"]) {
    stroke(pen, colour, width / 256, () => pen.rect(-left, -top, data.photo.width, data.photo.height));
    pen.lineDashOffset = width / 64;
  }
  pen.restore();
}

/* Weights beside their nodes, within the window and not over each other. */
function write(pen, px, nodes, radius) {
  const [line, taken] = [17 * px, []];
  pen.font = `${12 * px}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  for (const node of nodes) {
    const { x, y } = place(shown.graph, node);
    const text = percent(shown.weights[node]);
    const wide = pen.measureText(text).width + 6 * px;
    const top = Math.min(Math.max(y - line / 2, 0), height - line);
    const left = [x + radius + 2 * px, x - radius - 2 * px - wide].find((l) =>
      l >= 0 && l + wide <= width && !taken.some(([a, b, w]) => l < a + w && a < l + wide && Math.abs(b - top) < line));
    if (left === undefined) continue;
    taken.push([left, top, wide]);
    pen.fillStyle = "#000";
    pen.fillRect(left, top, wide, line);
    pen.fillStyle = "#fff";
    pen.fillText(text, left + 3 * px, top + line / 2);
  }
}

/* Choosing. */
function chosen() {
  const level = form.elements.graph.value;
  const step = form.elements.step.value;
  const fitting = data.graphs.filter((graph) => labelOf(graph) === level);
  return fitting.find((graph) => graph.step === step) ?? fitting[0];
}

/* Two graphs of one level in one convolution are told apart by a number. */
function labelOf(graph) {
  const alike = data.graphs.filter((other) => other.level === graph.level && other.step === graph.step);
  return alike.length > 1 ? `${graph.level} ${alike.indexOf(graph) + 1}` : graph.level;
}

function fill(select, labels) {
  select.replaceChildren(...[...new Set(labels)].map((label) => new Option(label)));
}

/* Shows what the form says; the node stays where it is in the photo. */
function change() {
  const graph = chosen();
  const { x, y } = place(shown.graph, shown.node);
  form.elements.step.value = graph.step;
  show(graph, Number(form.elements.head.value), graph === shown.graph ? shown.node : nodeAt(graph, x, y));
}

function choose(event) {
  const box = stage.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * width;
  const y = ((event.clientY - box.top) / box.height) * height;
  show(shown.graph, shown.head, nodeAt(shown.graph, x, y));
}

function press(event) {
  const { rows, columns } = shown.graph;
  let { row, column } = place(shown.graph, shown.node);
  const moves = {
    ArrowLeft: () => { column -= 1; },
    ArrowRight: () => { column += 1; },
    ArrowUp: () => { row -= 1; },
    ArrowDown: () => { row += 1; },
    Home: () => { column = 0; },
    End: () => { column = columns.count - 1; },
  };
  if (!moves[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  moves[event.key]();
  row = Math.min(Math.max(row, 0), rows.count - 1);
  column = Math.min(Math.max(column, 0), columns.count - 1);
  const node = row * columns.count + column;
  if (node !== shown.node) show(shown.graph, shown.head, node);
}

function start() {
  const first = data.graphs[data.first.graph];
  fill(form.elements.graph, data.graphs.map(labelOf));
  fill(form.elements.step, data.graphs.map((graph) => graph.step));
  form.elements.graph.value = labelOf(first);
  form.elements.step.value = first.step;
  const head = form.elements.head;
  if (head instanceof RadioNodeList) [...head].forEach((radio) => { radio.checked = Number(radio.value) === data.first.head; });
  else head.value = data.first.head;
  section.hidden = false;
  show(first, data.first.head, data.first.node);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", change);
  stage.addEventListener("click", choose);
  stage.addEventListener("keydown", press);
  new ResizeObserver(draw).observe(stage);
}

picture.decode().then(start);
