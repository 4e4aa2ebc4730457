// Members: what a task or a cell has started, inside its box in the graph: rows for what fails or has a name of
// its own, tiles for the rest of many items.

const MEMBER = { row: 18, tile: 20, pad: 8, rows: 8, bad: 4, tiles: 6 };

class Members {
  constructor(store, task) {
    this.store = store;
    this.task = task;
    this.group = svg("g", { class: "members", role: "group", "aria-label": `within ${task}` });
    this.height = 0;
  }

  // Draw the members below a box of that size; their height is known from then on.
  draw(width, top) {
    const all = worstFirst(this.store.membersOf(this.task));
    const areItems = all.length > MEMBER.rows && all.every((each) => each.index !== null);
    const named = areItems ? all.filter((each) => BAD.includes(lookOfRun(each))).slice(0, MEMBER.bad) : all.slice(0, MEMBER.rows);
    const across = Math.floor((width - 2 * MEMBER.pad) / MEMBER.tile);
    const rest = all.slice(named.length);
    const tiles = areItems ? rest.slice(0, across * MEMBER.tiles - (rest.length > across * MEMBER.tiles ? across : 0)) : [];
    const left = rest.length - tiles.length;
    let y = top + 2;
    const rows = named.map((run) => this.row(run, width, (y += MEMBER.row) - MEMBER.row));
    if (tiles.length && rows.length) y += 2;
    const squares = tiles.map((run, place) =>
      this.tile(run, MEMBER.pad + (place % across) * MEMBER.tile, y + Math.floor(place / across) * MEMBER.tile));
    y += Math.ceil(tiles.length / across) * MEMBER.tile;
    const more = left ? [this.more(left, (y += MEMBER.row) - MEMBER.row)] : [];
    const empty = all.length ? [] : [svg("text", { class: "sub", x: MEMBER.pad, y: (y += MEMBER.row) - 5 }, "asking …")];
    renew(this.group, svg("path", { class: "rule", d: `M8 ${top}H${width - 8}` }), rows, squares, more, empty);
    this.height = y + 6 - top;
    this.light();
  }

  words(run) {
    const took = spent(run, EXECUTES, this.store.now);
    const inner = run.children.length ? this.store.told(members(run)) : "";
    return [lookOfRun(run), run.isOpen || took >= 0.0005 ? duration(took) : "", run.saved !== null ? `saved ${duration(run.saved)}` : "", inner, run.message].filter(Boolean).join(" · ");
  }

  // What is pressed: an item or a run; its name, how it is and what it says are told to those who do not see it.
  press(run, kind, x, y, ...content) {
    const told = `${run.task}: ${this.words(run)}`;
    return svg("g", { class: `member ${kind}`, role: "button", tabindex: "-1", "data-part": run.id, "data-look": lookOfRun(run),
      "aria-label": told, transform: `translate(${x} ${y})`, style: `--hue:${lookOf(lookOfRun(run)).hue}` }, svg("title", {}, told), ...content);
  }

  row(run, width, y) {
    const room = width - 2 * MEMBER.pad - 20;
    const name = run.index !== null ? `[${run.index}]` : run.task;
    const text = fitted(`${name}  ${run.message || this.words(run)}`, `11px ${FAMILY}`, room);
    return this.press(run, "row", MEMBER.pad, y, svg("rect", { class: "ground", width: width - 2 * MEMBER.pad, height: MEMBER.row, rx: 3 }),
      svg("path", { class: "sign", d: lookOf(lookOfRun(run)).icon, transform: "translate(2 2) scale(.78)" }), svg("text", { x: 20, y: 13 }, text));
  }

  tile(run, x, y) {
    return this.press(run, "tile", x, y, svg("rect", { class: "ground", width: 17, height: 17, rx: 3 }),
      svg("path", { class: "sign", d: lookOf(lookOfRun(run)).icon, transform: "translate(1.5 1.5) scale(.78)" }));
  }

  more(count, y) {
    return svg("text", { class: "sub", x: MEMBER.pad + 2, y: y + 13 }, `${count.toLocaleString("en")} more in the table`);
  }

  light() {
    for (const each of this.group.querySelectorAll("[data-part]")) put(each, "aria-pressed", String(each.dataset.part === this.store.chosen.part));
  }
}
