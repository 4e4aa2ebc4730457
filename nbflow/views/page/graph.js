// Graph: the picture of the flow, with zoom and pan; drawn once, then only what changed is touched.

const FAMILY = "system-ui, sans-serif";
const TITLE_AT = 34;
const MARGIN = 16;
const NEAR = 0.8;
const FAR = 0.42;
const MANY = 150;
const TALLEST = 640;
const BELOW = 48; // the tools stand there

class Graph {
  constructor(store) {
    this.store = store;
    this.nodes = new Map();
    this.edges = [];
    this.canvas = svg("svg", { class: "graph", role: "group", "aria-label": "graph of the flow" });
    const tip = svg("path", { d: "M1 1L7 4 1 7" });
    const arrow = svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9,
      markerUnits: "userSpaceOnUse", orient: "auto" }, tip);
    this.canvas.append(svg("defs", {}, arrow), (this.layer = svg("g")));
    this.layer.append((this.lines = svg("g", { "aria-hidden": "true" })), (this.labels = svg("g", { "aria-hidden": "true" })),
      (this.boxes = svg("g")));
    this.scale = html("span", { class: "scale" });
    const tools = html("div", { class: "zoom", role: "group", "aria-label": "zoom" },
      button("−", () => this.zoomBy(1 / 1.25), { "aria-label": "zoom out" }), this.scale,
      button("+", () => this.zoomBy(1.25), { "aria-label": "zoom in" }),
      button("Fit", () => this.fit(), { title: "Fit the whole graph (f)" }));
    this.element = html("div", { class: "stage" }, this.canvas, tools);
    this.listen();
    this.build();
  }

  // --- drawing -------------------------------------------------------------------------------

  build() {
    const { picture } = this.store;
    this.nodes.clear();
    for (const layer of [this.lines, this.labels, this.boxes]) layer.replaceChildren();
    this.edges = picture.lines.map((line) => this.edge(line));
    const isMany = picture.tasks.length > MANY;
    this.element.classList.toggle("many", isMany);
    this.level = isMany ? "far" : ""; // no words yet: most of them will not be seen
    for (const [place, task] of picture.tasks.entries()) this.node(task, picture.corners[place]);
    this.level = "";
    this.isPlaced = false;
    this.place();
    this.light();
  }

  edge([source, target, path, names, label, x, y]) {
    const { tasks } = this.store.picture;
    const [from, to] = [tasks[source], tasks[target]];
    const told = `${from.name} → ${to.name}${names.length ? ": " + names.join(", ") : ""}`;
    const line = svg("path", { class: from.plain ? "edge quiet" : "edge", d: path, "stroke-dasharray": names.length ? null : "3 3" },
      svg("title", {}, told));
    this.lines.append(line);
    const text = label ? svg("text", { class: "label", x, y }, label) : null;
    if (text) this.labels.append(text);
    return { source: from.name, target: to.name, line, text };
  }

  node(task, [x, y]) {
    const [width, height] = this.store.picture.box;
    const box = svg("path", { class: "box" });
    const sign = svg("path", { class: "sign", transform: `translate(10 ${height / 2 - 9})` });
    const name = svg("text", { class: "name", x: TITLE_AT });
    const sub = svg("text", { class: "sub", x: TITLE_AT, y: 34 });
    const ring = svg("rect", { class: "ring", x: -4, y: -4, width: width + 8, height: height + 8, rx: 11 });
    const title = svg("title");
    const group = svg("g", {
      class: task.plain ? "node plain" : "node", transform: `translate(${x} ${y})`, tabindex: "-1", role: "button",
      "data-task": task.name,
    }, title, ring, box, sign, name, sub);
    this.boxes.append(group);
    this.nodes.set(task.name, { group, box, sign, name, sub, title, x, y, look: "" });
    this.paint(task.name);
  }

  paint(name) {
    const node = this.nodes.get(name);
    if (!node) return;
    const { look: lookName, sub, why, state, isOpen } = this.store.standing(name);
    const [width, height] = this.store.picture.box;
    if (node.look !== lookName) {
      const look = lookOf(lookName);
      const shape = this.store.tasks.get(name).plain ? "round" : look.shape;
      node.look = lookName;
      node.group.style.setProperty("--hue", look.hue);
      node.box.setAttribute("d", outlines[shape](width, height));
      put(node.box, "stroke-dasharray", look.dash || null);
      node.sign.setAttribute("d", look.icon);
      put(node.group, "data-look", lookName);
    }
    put(node.group, "data-state", state ?? this.store.tasks.get(name).state ?? "");
    node.group.classList.toggle("open", isOpen);
    put(node.group, "aria-label", [name, sub, why].filter(Boolean).join(", "));
    write(node.title, why && !sub.includes(why) ? `${name}: ${sub}\n${why}` : `${name}: ${sub}`);
    this.letter(name, node, sub);
  }

  // Names keep a size that can be read while the graph gets smaller; in the distance shape and colour are left.
  letter(name, node, sub) {
    const [width, height] = this.store.picture.box;
    const room = width - TITLE_AT - 8;
    if (this.level === "far") return;
    if (this.level === "mid") {
      const size = Math.min(Math.round(11.5 / this.view.k), 24);
      node.name.setAttribute("font-size", size);
      node.name.setAttribute("y", height / 2 + size * 0.36);
      write(node.name, fitted(name, `600 ${size}px ${FAMILY}`, room));
      return;
    }
    node.name.setAttribute("font-size", 13);
    node.name.setAttribute("y", 19);
    write(node.name, fitted(name, `600 13px ${FAMILY}`, room));
    write(node.sub, fitted(sub, `11px ${FAMILY}`, room));
  }

  update({ whole, tasks }) {
    if (whole) this.build();
    else {
      for (const name of tasks) this.paint(name);
      if (this.store.isFiltered) this.light();
    }
  }

  tick() {
    for (const [name, live] of this.store.live) if (LOOKS.open.includes(live[LIVE.state])) this.paint(name);
  }

  // What is chosen, what it needs and what needs it stand out; so does what a filter finds.
  light() {
    const { store } = this;
    const { task } = store.chosen;
    const up = task ? store.reach(task, store.above) : new Set();
    const down = task ? store.reach(task, store.below) : new Set();
    const first = store.picture.tasks[0]?.name;
    for (const [name, { group }] of this.nodes) {
      const isNear = !task || name === task || up.has(name) || down.has(name);
      const isDim = store.isFiltered ? !store.matches(name) : !isNear;
      group.classList.toggle("dim", isDim);
      group.classList.toggle("chosen", name === task);
      put(group, "aria-pressed", name === task);
      put(group, "data-reach", name === task ? "chosen" : up.has(name) ? "upstream" : down.has(name) ? "downstream" : null);
      put(group, "tabindex", name === (task || first) ? "0" : "-1");
    }
    for (const { source, target, line, text } of this.edges) {
      const isUp = task && (target === task || up.has(target)) && (source === task || up.has(source));
      const isDown = task && (source === task || down.has(source)) && (target === task || down.has(target));
      const isDim = store.isFiltered ? !(store.matches(source) && store.matches(target)) : task && !isUp && !isDown;
      for (const element of [line, text]) {
        if (!element) continue;
        element.classList.toggle("up", Boolean(isUp));
        element.classList.toggle("down", Boolean(isDown));
        element.classList.toggle("dim", Boolean(isDim));
      }
    }
  }

  chose(changes) {
    if ("task" in changes || "filter" in changes || "looks" in changes) this.light();
    if (changes.task && this.element.isConnected) this.reveal(changes.task);
  }

  // --- zoom and pan --------------------------------------------------------------------------

  get room() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  // The first time words have their size, unless there are so many tasks that only the map makes sense.
  place() {
    const [width, height] = this.store.picture.extent;
    this.canvas.style.minHeight = `${Math.round(Math.min(Math.max(height + MARGIN + BELOW, 200), TALLEST))}px`;
    const { width: room } = this.room;
    if (!room) return;
    this.isPlaced = true;
    if (this.store.zoom) this.look(this.store.zoom);
    else if (this.store.picture.tasks.length > MANY) this.fit();
    else this.look({ x: width <= room ? (width - room) / 2 : -MARGIN, y: -MARGIN, k: 1 });
  }

  look(view) {
    this.view = view;
    this.layer.setAttribute("transform", `scale(${view.k}) translate(${-view.x} ${-view.y})`);
    write(this.scale, `${Math.round(view.k * 100)} %`);
    const level = view.k >= NEAR ? "near" : view.k >= FAR ? `mid` : "far";
    const step = level === "mid" ? Math.round(11.5 / view.k) : 0;
    if (level !== this.level || step !== this.step) {
      [this.level, this.step] = [level, step];
      put(this.element, "data-level", level);
      for (const [name, node] of this.nodes) this.letter(name, node, this.store.standing(name).sub);
    }
  }

  move(view) {
    this.store.zoom = view;
    this.look(view);
  }

  fit() {
    const [width, height] = this.store.picture.extent;
    const { width: across, height: down } = this.room;
    if (!across) return;
    const k = Math.min(across / (width + 2 * MARGIN), down / (height + 2 * MARGIN), 1.25);
    this.move({ x: (across / k - width) / -2, y: (down / k - height) / -2, k });
  }

  zoomBy(factor, at = { x: this.room.width / 2, y: this.room.height / 2 }) {
    const { x, y, k } = this.view;
    const next = Math.min(3, Math.max(0.04, k * factor));
    this.move({ x: x + at.x / k - at.x / next, y: y + at.y / k - at.y / next, k: next });
  }

  reveal(name) {
    const node = this.nodes.get(name);
    if (!node || !this.view) return;
    const [width, height] = this.store.picture.box;
    const { width: across, height: down } = this.room;
    const { x, y, k } = this.view;
    const [left, top] = [(node.x - x) * k, (node.y - y) * k];
    if (left >= 0 && top >= 0 && left + width * k <= across && top + height * k <= down) return;
    this.look({ x: node.x + width / 2 - across / k / 2, y: node.y + height / 2 - down / k / 2, k });
  }

  // --- hands ---------------------------------------------------------------------------------

  listen() {
    const { canvas } = this;
    const where = (event) => {
      const edge = canvas.getBoundingClientRect();
      return { x: event.clientX - edge.left, y: event.clientY - edge.top };
    };
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the notebook scrolls
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 300), where(event));
    }, { passive: false });
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button === 0) held = { ...where(event), view: this.view, isDrag: false, id: event.pointerId };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) return;
      const [dx, dy] = [where(event).x - held.x, where(event).y - held.y];
      if (!held.isDrag && Math.hypot(dx, dy) > 4) {
        held.isDrag = true;
        canvas.setPointerCapture(held.id);
        canvas.classList.add("dragged");
      }
      if (held.isDrag) this.move({ x: held.view.x - dx / held.view.k, y: held.view.y - dy / held.view.k, k: held.view.k });
    });
    const release = () => {
      canvas.classList.remove("dragged");
      setTimeout(() => (held = null));
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("click", (event) => {
      if (held?.isDrag) return;
      const task = event.target.closest("[data-task]")?.dataset.task ?? "";
      this.store.choose({ task, run: 0 });
      if (task) this.nodes.get(task).group.focus({ preventScroll: true });
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => {
      if (this.isPlaced && this.store.zoom) return;
      this.place();
      if (this.isPlaced && this.store.chosen.task) this.reveal(this.store.chosen.task);
    }).observe(canvas);
  }

  key(event) {
    const chosen = this.store.chosen.task;
    const here = chosen || event.target.closest("[data-task]")?.dataset.task;
    const steps = { f: () => this.fit(), "+": () => this.zoomBy(1.25), "=": () => this.zoomBy(1.25), "-": () => this.zoomBy(0.8) };
    const next = here && this.neighbour(here, event.key);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (steps[event.key]) steps[event.key]();
    else if (event.key === "Enter" || event.key === " ") this.go(here);
    else if (next) this.go(chosen ? next : here);
    else return;
    event.preventDefault();
  }

  go(name) {
    this.store.choose({ task: name, run: 0 });
    this.nodes.get(name).group.focus({ preventScroll: true });
  }

  // The nearest box in the direction of an arrow: up and down along edges, sideways within the row.
  neighbour(name, key) {
    const from = this.nodes.get(name);
    const far = (one, other) => Math.abs(one - other);
    const near = (names) => [...names].map((each) => [each, this.nodes.get(each)])
      .sort(([, one], [, other]) => far(one.y, from.y) - far(other.y, from.y) || far(one.x, from.x) - far(other.x, from.x))[0]?.[0];
    if (key === "ArrowUp") return near(this.store.above.get(name)) ?? name;
    if (key === "ArrowDown") return near(this.store.below.get(name)) ?? name;
    if (key !== "ArrowLeft" && key !== "ArrowRight") return undefined;
    const isRight = key === "ArrowRight";
    const row = [...this.nodes].filter(([, node]) => node.y === from.y && (isRight ? node.x > from.x : node.x < from.x));
    return near(row.map(([each]) => each)) ?? name;
  }
}
