// Map: a small picture of a large graph, with the part that is seen; and the same picture as its ground, where there
// are so many tasks that each as an element of its own would be slow.

const MAP = { width: 168, height: 112, pad: 4 };

// Draw all boxes, and the edges as straight lines, onto a canvas.
function sketch(pen, store, nodes, view, ink) {
  const [width, height] = store.picture.box;
  const at = (node) => [(node.x - view.x) * view.k, (node.y - view.y) * view.k];
  pen.strokeStyle = ink;
  pen.globalAlpha = view.isMap ? 0.18 : 0.14;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const [source, target] of store.picture.lines) {
    const [from, to] = [nodes.get(store.picture.tasks[source].name), nodes.get(store.picture.tasks[target].name)];
    const [[x, y], [endX, endY]] = [at(from), at(to)];
    pen.moveTo(x + (width * view.k) / 2, y + height * view.k);
    pen.lineTo(endX + (width * view.k) / 2, endY);
  }
  pen.stroke();
  const hues = new Map();
  for (const [name, node] of nodes) {
    if (node.group && !view.isMap) continue;
    const { hue } = lookOf(store.lookNow(name));
    if (!hues.has(hue)) hues.set(hue, []);
    hues.get(hue).push(node);
  }
  for (const [hue, shown] of hues) {
    pen.fillStyle = hue;
    for (const node of shown) {
      const [x, y] = at(node);
      pen.globalAlpha = node.isDim ? 0.2 : 0.85;
      pen.fillRect(x, y, Math.max(width * view.k, 1.5), Math.max((node.height ?? height) * view.k, 1.5));
    }
  }
  pen.globalAlpha = 1;
}

// A canvas in the size of its place, sharp on every screen.
function cleared(canvas, width, height) {
  const dots = globalThis.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * dots) || canvas.height !== Math.round(height * dots)) {
    canvas.width = Math.round(width * dots);
    canvas.height = Math.round(height * dots);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

class Minimap {
  constructor(graph) {
    this.graph = graph;
    this.element = html("canvas", { class: "map", "aria-hidden": "true", hidden: true });
    const go = (event) => {
      const edge = this.element.getBoundingClientRect();
      graph.centre((event.clientX - edge.left - MAP.pad) / this.k, (event.clientY - edge.top - MAP.pad) / this.k);
    };
    this.element.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      this.element.setPointerCapture(event.pointerId);
      this.isHeld = true;
      go(event);
    });
    this.element.addEventListener("pointermove", (event) => this.isHeld && go(event));
    for (const end of ["pointerup", "pointercancel"]) this.element.addEventListener(end, () => (this.isHeld = false));
  }

  // Shown while a part of the graph is out of sight, which nobody would look for otherwise; drawn once a frame.
  follow() {
    const { graph } = this;
    const { width, height } = graph.room;
    const [across, down] = graph.extent;
    const { k } = graph.view;
    this.element.hidden = !width || (across * k <= width && down * k <= height);
    if (!this.element.hidden) this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = null;
    const { graph } = this;
    const [across, down] = graph.extent;
    this.k = Math.min((MAP.width - 2 * MAP.pad) / across, (MAP.height - 2 * MAP.pad) / down);
    const [width, height] = [across * this.k + 2 * MAP.pad, down * this.k + 2 * MAP.pad];
    Object.assign(this.element.style, { width: `${width}px`, height: `${height}px` });
    const pen = cleared(this.element, width, height);
    const ink = getComputedStyle(this.element).color;
    sketch(pen, graph.store, graph.nodes, { x: -MAP.pad / this.k, y: -MAP.pad / this.k, k: this.k, isMap: true }, ink);
    const { x, y, k } = graph.view;
    pen.strokeStyle = ink;
    pen.lineWidth = 1.5;
    pen.strokeRect(...[x, y].map((each) => each * this.k + MAP.pad), (graph.room.width / k) * this.k, (graph.room.height / k) * this.k);
  }
}
