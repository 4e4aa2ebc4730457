// Graph: the picture of the flow, with zoom and pan; drawn once, then only what changed is touched.

const FAMILY = "system-ui, sans-serif";
const TITLE_AT = 34;
const MARGIN = 16;
const NEAR = 0.8;
const FAR = 0.42;
const MANY = 150;
const LOTS = 1200; // of more tasks only those are elements that are seen; the kernel sends no lines of them
const SEEN = 400;
const TALLEST = 640;
const BELOW = 58; // the tools stand there

class Graph {
  constructor(store) {
    this.store = store;
    this.nodes = new Map();
    this.edges = [];
    this.up = this.down = new Set(); // what the chosen task needs, and what needs it
    this.canvas = svg("svg", { class: "graph", role: "group", "aria-label": "graph of the flow" });
    const tip = svg("path", { d: "M1 1L7 4 1 7" });
    const arrow = svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9,
      markerUnits: "userSpaceOnUse", orient: "auto" }, tip);
    this.canvas.append(svg("defs", {}, arrow), (this.layer = svg("g")));
    this.layer.append((this.lines = svg("g", { "aria-hidden": "true" })), (this.labels = svg("g", { "aria-hidden": "true" })),
      (this.boxes = svg("g")));
    this.scale = html("span", { class: "scale" });
    this.ground = html("canvas", { class: "ground", "aria-hidden": "true" });
    this.map = new Minimap(this);
    this.empty = html("p", { class: "more" }, store.invitation);
    this.tools = html("div", { class: "zoom", role: "group", "aria-label": "zoom" },
      button("−", () => this.zoomBy(1 / 1.25), { "aria-label": "zoom out" }), this.scale,
      button("+", () => this.zoomBy(1.25), { "aria-label": "zoom in" }),
      button("Fit", () => this.fit(), { title: "Fit the whole graph (f)" }));
    this.element = html("div", { class: "stage" }, this.ground, this.canvas, this.map.element, this.tools, this.empty);
    this.listen();
    this.build();
  }

  // --- drawing -------------------------------------------------------------------------------

  build() {
    keepingFocus(this.boxes, () => this.drawAll());
  }

  drawAll() {
    const { picture } = this.store;
    this.nodes.clear();
    for (const layer of [this.lines, this.labels, this.boxes]) layer.replaceChildren();
    this.empty.hidden = picture.tasks.length > 0;
    this.tools.hidden = !this.empty.hidden;
    this.isVast = picture.tasks.length > LOTS;
    this.ground.hidden = !this.isVast;
    const isMany = picture.tasks.length > MANY;
    this.element.classList.toggle("many", isMany);
    this.level = isMany ? "far" : ""; // no words yet: most of them will not be seen
    for (const [place, task] of picture.tasks.entries()) {
      const [x, y] = picture.corners[place];
      this.nodes.set(task.name, { x, y, left: x, top: y, height: picture.box[1] });
    }
    this.edges = this.isVast ? [] : picture.lines.map((line) => this.edge(line));
    if (!this.isVast) for (const task of picture.tasks) this.node(task);
    this.level = "";
    this.isPlaced = false;
    this.settle();
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
    return { source: from.name, target: to.name, line, text, path, y };
  }

  node(task) {
    const [width, height] = this.store.picture.box;
    const known = this.nodes.get(task.name);
    const box = svg("path", { class: "box" });
    const stack = svg("path", { class: "stack" });
    const sign = svg("path", { class: "sign", transform: `translate(10 ${height / 2 - 9})` });
    const name = svg("text", { class: "name", x: TITLE_AT });
    const sub = svg("text", { class: "sub", x: TITLE_AT, y: 34 });
    const ring = svg("rect", { class: "ring", x: -4, y: -4, width: width + 8, height: height + 8, rx: 11 });
    const title = svg("title");
    const group = svg("g", { class: task.plain ? "node plain" : "node", tabindex: "-1", role: "button", "data-task": task.name },
      title, ring, stack, box, sign, name, sub);
    const fold = svg("g", { class: "fold", role: "button", tabindex: "-1", "data-fold": task.name, transform: `translate(${width - 27} ${height / 2 - 12})` },
      svg("title", {}, "what it has started (o)"), svg("rect", { class: "ground", width: 24, height: 24, rx: 5 }), svg("path", { class: "tick", d: "M8 10l4 4 4-4" }));
    const members = new Members(this.store, task.name);
    const wrap = svg("g", { class: "wrap", transform: `translate(${known.x} ${known.y})` }, group);
    this.boxes.append(wrap);
    Object.assign(known, { wrap, group, box, stack, sign, name, sub, title, fold, members, look: "" });
    this.paint(task.name);
  }

  paint(name) {
    const node = this.nodes.get(name);
    if (!node?.group) return;
    const { look: lookName, sub, why, state, isOpen } = this.store.standing(name);
    const task = this.store.tasks.get(name);
    if (node.look !== lookName) {
      const look = lookOf(lookName);
      node.look = lookName;
      node.group.style.setProperty("--hue", look.hue);
      node.shape = task.plain ? "round" : look.shape;
      this.outline(node);
      put(node.box, "stroke-dasharray", look.dash || null);
      node.sign.setAttribute("d", look.icon);
      put(node.group, "data-look", lookName);
    }
    put(node.group, "data-state", state ?? task.state ?? "");
    node.group.classList.toggle("open", isOpen);
    this.fold(name, node);
    put(node.group, "aria-label", [name, sub, why].filter(Boolean).join(", "));
    write(node.title, why && !sub.includes(why) ? `${name}: ${sub}\n${why}` : `${name}: ${sub}`);
    this.letter(name, node, sub);
  }

  outline(node) {
    const [width] = this.store.picture.box;
    const path = outlines[node.shape](width, node.height);
    node.box.setAttribute("d", path);
    node.stack.setAttribute("d", path);
  }

  // A box that holds others has a corner that opens it, and grows by what it shows.
  fold(name, node) {
    const isGroup = Boolean(this.store.groupWords(name));
    const isOpen = isGroup && this.store.chosen.open.has(name);
    node.isGroup = isGroup;
    node.group.classList.toggle("many", isGroup && !isOpen);
    put(node.wrap, "data-open", isOpen ? "true" : null);
    if (isGroup !== Boolean(node.fold.parentNode)) isGroup ? node.wrap.append(node.fold) : node.fold.remove();
    put(node.fold, "aria-expanded", String(isOpen));
    put(node.fold, "aria-label", `${this.store.groupWords(name)} of ${name}`);
    const [width, height] = this.store.picture.box;
    if (isOpen) node.members.draw(width, height);
    if (isOpen !== Boolean(node.members.group.parentNode)) isOpen ? node.wrap.append(node.members.group) : node.members.group.remove();
    const before = node.height;
    node.height = height + (isOpen ? node.members.height : 0);
    if (before === node.height) return;
    this.outline(node);
    if (this.isPlaced) this.settle();
  }

  // What stands below a box that has grown makes room for it.
  settle() {
    const [, height] = this.store.picture.box;
    const grown = [...this.nodes.values()].filter((node) => node.height > height).map(({ top, height: full }) => [top + height, full - height]);
    const rows = new Map();
    for (const [bottom, more] of grown) rows.set(bottom, Math.max(rows.get(bottom) ?? 0, more));
    const lower = (y) => [...rows].reduce((sum, [bottom, more]) => sum + (y > bottom ? more : 0), 0);
    this.grown = [...rows.values()].reduce((sum, more) => sum + more, 0);
    if (!this.grown && !this.wasGrown) return;
    this.wasGrown = this.grown > 0;
    for (const node of this.nodes.values()) {
      node.y = node.top + lower(node.top);
      if (node.wrap) put(node.wrap, "transform", `translate(${node.x} ${node.y})`);
    }
    for (const { source, line, text, path, y } of this.edges) {
      const own = this.nodes.get(source);
      const more = (each) => lower(each) + (each === own.top + height ? own.height - height : 0);
      put(line, "d", moved(path, (each) => each + more(each)));
      if (text) put(text, "y", y + lower(y));
    }
    if (this.isPlaced) this.size(this.scaled);
  }

  get extent() {
    const [width, height] = this.store.picture.extent;
    return [width, height + (this.grown ?? 0)];
  }

  // Names keep a size that can be read while the graph gets smaller; in the distance shape and colour are left.
  letter(name, node, sub) {
    const [width, height] = this.store.picture.box;
    const room = width - TITLE_AT - (node.isGroup ? 30 : 8);
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
    if (whole) return this.build();
    for (const name of tasks) this.paint(name);
    if (this.store.isFiltered) this.light();
    if (tasks.size) this.redraw();
  }

  tick() {
    for (const [name, live] of this.store.live) if (LOOKS.open.includes(live[LIVE.state])) this.paint(name);
  }

  // What is chosen, what it needs and what needs it stand out; so does what a filter finds.
  light() {
    const { store } = this;
    const { task } = store.chosen;
    const up = (this.up = task ? store.reach(task, store.above) : new Set());
    const down = (this.down = task ? store.reach(task, store.below) : new Set());
    for (const [name, node] of this.nodes) this.dress(name, node);
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
    this.redraw();
  }

  dress(name, node) {
    const { store, up, down } = this;
    const { task, part } = store.chosen;
    const isNear = !task || name === task || up.has(name) || down.has(name);
    node.isDim = store.isFiltered ? !store.matches(name) : !isNear;
    if (!node.group) return;
    const { group, wrap, fold, members } = node;
    wrap.classList.toggle("dim", node.isDim);
    group.classList.toggle("dim", node.isDim);
    group.classList.toggle("chosen", name === task);
    put(group, "aria-pressed", String(name === task && !part));
    put(group, "data-reach", name === task ? "chosen" : up.has(name) ? "upstream" : down.has(name) ? "downstream" : null);
    put(group, "tabindex", name === (task || store.picture.tasks[0]?.name) ? "0" : "-1");
    put(fold, "tabindex", name === task ? "0" : "-1");
    if (members.group.parentNode) members.light();
  }

  chose(changes) {
    if ("open" in changes) for (const [name, node] of this.nodes) if (node.group && (node.isGroup || changes.open.has(name))) this.paint(name);
    if ("task" in changes || "filter" in changes || "looks" in changes) this.light();
    if (changes.task && this.element.isConnected) this.reveal(changes.task);
  }

  // --- zoom and pan --------------------------------------------------------------------------

  // The tab is shown again: what was chosen meanwhile has to be in sight.
  returns() {
    if (!this.isPlaced) this.place();
    if (this.store.chosen.task) this.reveal(this.store.chosen.task);
    this.redraw();
  }

  get room() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  // As high as the graph is at a scale.
  size(scale = 1) {
    this.scaled = scale;
    const high = Math.max(scale * this.extent[1] + MARGIN + BELOW, this.tools.hidden ? 64 : 200);
    this.canvas.style.minHeight = `${Math.round(Math.min(high, TALLEST))}px`;
  }

  // The first time words have their size, unless there are so many tasks that only the map makes sense.
  place() {
    const [width] = this.extent;
    this.size();
    const { width: room } = this.room;
    if (!room) return;
    this.isPlaced = true;
    if (this.store.zoom) this.look(this.store.zoom);
    else if (this.store.picture.tasks.length > MANY) this.fit();
    else this.look({ x: width <= room ? (width - room) / 2 : this.head(width, room), y: -MARGIN, k: 1 });
  }

  // Of a wide graph its left side is seen first, unless it begins elsewhere.
  head(width, room) {
    const first = Math.min(...[...this.nodes.values()].filter(({ y }) => y === 0).map(({ x }) => x));
    const isSeen = first + this.store.picture.box[0] <= room;
    return isSeen ? -MARGIN : Math.min(first + (this.store.picture.box[0] - room) / 2, width - room + MARGIN);
  }

  look(view) {
    this.view = view;
    this.layer.setAttribute("transform", `scale(${view.k}) translate(${-view.x} ${-view.y})`);
    write(this.scale, `${Math.round(view.k * 100)} %`);
    const level = view.k >= NEAR ? "near" : view.k >= FAR ? `mid` : "far";
    const step = level === "mid" ? Math.round(11.5 / view.k) : 0;
    const isNew = level !== this.level || step !== this.step;
    [this.level, this.step] = [level, step];
    put(this.element, "data-level", level);
    if (this.isVast) this.furnish();
    else if (isNew) for (const [name, node] of this.nodes) this.letter(name, node, this.store.standing(name).sub);
    this.redraw();
  }

  // Of very many boxes those are elements that are near and in sight, and the chosen one.
  furnish() {
    const { width: across, height: down } = this.room;
    const { x, y, k } = this.view;
    const [width] = this.store.picture.box;
    const isSeen = (node) => node.x + width >= x && node.x <= x + across / k && node.y + node.height >= y && node.y <= y + down / k;
    const seen = this.level === "far" ? [] : [...this.nodes].filter(([, node]) => isSeen(node)).slice(0, SEEN).map(([name]) => name);
    const wanted = new Set([...seen, ...[this.store.chosen.task].filter((name) => this.nodes.has(name))]);
    for (const [name, node] of this.nodes) {
      if (node.group && !wanted.has(name)) {
        node.wrap.remove();
        node.group = node.wrap = null;
      } else if (wanted.has(name) && !node.group) {
        this.node(this.store.tasks.get(name));
        this.dress(name, node);
      }
      else if (node.group) this.letter(name, node, this.store.standing(name).sub);
    }
  }

  // The map, and the ground of a vast graph, are drawn once a frame.
  redraw() {
    if (!this.view || !this.element.isConnected) return;
    this.map.follow();
    if (this.isVast) this.frame ??= requestAnimationFrame(() => this.drawGround());
  }

  drawGround() {
    this.frame = null;
    const { width, height } = this.room;
    if (width) sketch(cleared(this.ground, width, height), this.store, this.nodes, this.view, getComputedStyle(this.ground).color);
  }

  centre(x, y) {
    const { width, height } = this.room;
    this.move({ x: x - width / this.view.k / 2, y: y - height / this.view.k / 2, k: this.view.k });
  }

  move(view) {
    this.store.zoom = view;
    this.look(view);
  }

  fit() {
    this.size();
    const [width, height] = this.extent;
    const { width: across, height: down } = this.room;
    if (!across) return;
    const k = Math.min(across / (width + 2 * MARGIN), down / (height + 2 * MARGIN), 1.25);
    this.size(Math.min(k, 1));
    this.move({ x: (across / k - width) / -2, y: -MARGIN / k, k });
  }

  zoomBy(factor, at = { x: this.room.width / 2, y: this.room.height / 2 }) {
    const { x, y, k } = this.view;
    const next = Math.min(3, Math.max(0.04, k * factor));
    if (next > this.scaled) this.size(Math.min(next, 1));
    this.move({ x: x + at.x / k - at.x / next, y: y + at.y / k - at.y / next, k: next });
  }

  // No further than it takes to see the whole box.
  reveal(name) {
    const node = this.nodes.get(name);
    if (!node || !this.view) return;
    if (this.isVast && !node.group) this.furnish();
    const [width, height] = this.store.picture.box;
    const { width: across, height: down } = this.room;
    const { x, y, k } = this.view;
    const into = (seen, start, end, room) => Math.min(Math.max(seen, end + MARGIN - room / k), start - MARGIN);
    const seen = { x: into(x, node.x, node.x + width, across), y: into(y, node.y, node.y + height, down), k };
    if (seen.x !== x || seen.y !== y) this.look(seen);
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
      const fold = event.target.closest("[data-fold]")?.dataset.fold;
      if (fold) return this.store.flip(fold);
      const wrap = event.target.closest(".wrap");
      const task = wrap?.querySelector("[data-task]").dataset.task ?? this.under(where(event));
      const part = event.target.closest("[data-part]")?.dataset.part ?? "";
      this.store.choose({ task, run: 0, part });
      if (task && !part) this.nodes.get(task).group?.focus({ preventScroll: true });
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
    const pressed = event.target.closest("[data-fold], [data-part]");
    if (pressed && ["Enter", " "].includes(event.key)) {
      pressed.dispatchEvent(new MouseEvent("click", { bubbles: true }));
      return event.preventDefault();
    }
    const here = chosen || event.target.closest("[data-task]")?.dataset.task;
    const steps = { f: () => this.fit(), "+": () => this.zoomBy(1.25), "=": () => this.zoomBy(1.25), "-": () => this.zoomBy(0.8),
      o: () => here && this.nodes.get(here).isGroup && this.store.flip(here) };
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
    this.nodes.get(name).group?.focus({ preventScroll: true });
  }

  // The box at a point of the ground.
  under({ x, y }) {
    if (!this.isVast) return "";
    const [width] = this.store.picture.box;
    const [left, top] = [x / this.view.k + this.view.x, y / this.view.k + this.view.y];
    return [...this.nodes].find(([, node]) => left >= node.x && left <= node.x + width && top >= node.y && top <= node.y + node.height)?.[0] ?? "";
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

// A path with its heights changed: commands with pairs of numbers, and V with one.
function moved(path, change) {
  return path.replace(/([MC])([^MCV]*)|V([-\d.]+)/g, (_, command, numbers, height) => {
    if (height !== undefined) return `V${change(Number(height))}`;
    return command + numbers.trim().split(/[\s,]+/).map((each, place) => (place % 2 ? change(Number(each)) : each)).join(" ");
  });
}
