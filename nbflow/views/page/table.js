// Table: the same tasks as rows, for reading, sorting and for those who do not see the graph.

const ROWS = 400;

const COLUMNS = [
  { name: "task", key: (task) => task.name },
  { name: "verdict", field: "verdict", key: (task) => task.verdict ?? "" },
  { name: "last run", key: (task) => task.state ?? "" },
  { name: "made", field: "made", key: (task) => -(task.made ?? 0), number: true },
  { name: "took", key: (task) => -(task.seconds ?? -1), number: true },
  { name: "tries", field: "attempt", key: (task) => -(task.attempt ?? 1), number: true },
  { name: "size", field: "size", key: (task) => -(task.bytes ?? -1), number: true },
  { name: "why", field: "why", key: (task) => task.why ?? "" },
];

class TaskTable {
  constructor(store) {
    this.store = store;
    this.rows = new Map();
    this.most = ROWS;
    this.heads = COLUMNS.map((column) =>
      html("th", { scope: "col", class: column.number ? "number" : null },
        button(html("span", {}, column.name), () => this.sortBy(column.name), { class: "sort" })));
    this.body = html("tbody");
    this.more = html("p", { class: "more" });
    this.body.addEventListener("click", (event) => {
      const flip = event.target.closest(".flip")?.dataset.flip;
      if (flip) return store.flip(flip);
      const part = event.target.closest("[data-part]")?.dataset;
      if (part) return store.choose({ task: part.of, run: 0, part: part.part });
      const task = event.target.closest("[data-task]")?.dataset.task;
      if (task) store.choose({ task: event.target.closest("button") || store.chosen.task !== task ? task : "", run: 0 });
    });
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.element = html("div", { class: "sheet" },
      html("table", { class: "tasks" }, html("caption", { class: "unseen" }, "tasks of the flow"),
        html("thead", {}, html("tr", {}, this.heads)), this.body), this.more);
    this.build();
  }

  build() {
    this.longest = Math.max(...this.store.picture.tasks.map((task) => (task.plain ? 0 : task.seconds ?? 0)), 0);
    for (const [name, known] of this.rows) {
      if (!this.store.tasks.has(name)) this.rows.delete(name);
      else known.told = [], this.paint(name);
    }
    this.order();
  }

  // Plain cells are listed where there is something to say of them.
  listed() {
    const tasks = this.store.picture.tasks.filter((task) => {
      const isQuiet = task.plain && ["fresh", undefined, ""].includes(task.verdict);
      return !isQuiet && this.store.matches(task.name);
    });
    const [name, turn] = this.store.chosen.sort;
    const column = COLUMNS.find((each) => each.name === name);
    if (!column) return tasks;
    const compare = (one, other) => (one < other ? -1 : one > other ? 1 : 0);
    return tasks.sort((one, other) => turn * compare(column.key(one), column.key(other)));
  }

  order() {
    const tasks = this.listed();
    const [sorted, turn] = this.store.chosen.sort;
    for (const [place, head] of this.heads.entries()) {
      const isSorted = COLUMNS[place].name === sorted;
      put(head, "aria-sort", isSorted ? (turn > 0 ? "ascending" : "descending") : null);
    }
    renew(this.body, tasks.slice(0, this.most).flatMap((task) => [this.row(task.name), ...this.members(task.name)]));
    const rest = tasks.length - this.most;
    const nothing = this.store.isFiltered ? "nothing matches the filter" : this.store.invitation;
    renew(this.more, !tasks.length ? nothing : rest > 0 ? button(`show ${rest.toLocaleString("en")} more`, () => this.showMore()) : "");
    this.hideBlank();
    this.light();
  }

  // Columns in which no task says anything are left out.
  hideBlank() {
    for (const [place, { field }] of COLUMNS.entries()) {
      if (!field) continue;
      const isBlank = !this.store.picture.tasks.some((task) => task[field]);
      const inner = [...this.body.querySelectorAll("[data-part]")].map((row) => row.children[place]);
      for (const cell of [this.heads[place], ...[...this.rows.values()].map(({ cells }) => cells[place]), ...inner]) {
        cell.classList.toggle("blank", isBlank);
      }
    }
  }

  showMore() {
    this.most += 2000;
    this.order();
  }

  row(name) {
    if (!this.rows.has(name)) {
      const cells = COLUMNS.map((column) => html(column.name === "task" ? "th" : "td",
        { class: column.number ? "number" : column.name === "why" ? "why" : null, scope: column.name === "task" ? "row" : null }));
      const row = html("tr", { "data-task": name }, cells);
      this.rows.set(name, { row, cells, told: [] });
      this.paint(name);
    }
    return this.rows.get(name).row;
  }

  // A group's rows: failed ones first.
  members(name) {
    const { store } = this;
    if (!store.chosen.open.has(name)) return [];
    const all = worstFirst(store.membersOf(name));
    const rows = all.slice(0, ROWS).flatMap((run) => this.member(name, run, 1));
    const more = all.length > ROWS ? [html("tr", { class: "sub" }, html("td", { colspan: COLUMNS.length }, `${(all.length - ROWS).toLocaleString("en")} more`))] : [];
    return [...rows, ...more];
  }

  member(task, run, depth) {
    const inner = members(run);
    const look = lookOfRun(run);
    const took = spent(run, EXECUTES, this.store.now);
    const told = [inner.length ? this.store.told(inner) : "", run.message].filter(Boolean).join(" · ");
    const texts = ["", mark(look, LOOKS.states[run.state] ? run.state : look), age(run.end, this.store.now), run.saved !== null ? "" : duration(took),
      run.tries > 1 ? String(run.tries) : "", "", run.saved !== null ? `saved ${duration(run.saved)}` : told];
    const cells = texts.map((text, place) => html("td", { class: this.heads[place + 1].className || (COLUMNS[place + 1].name === "why" ? "why" : null) }, text));
    const row = html("tr", { class: "sub", "data-part": run.id, "data-of": task, "data-look": look, "aria-selected": run.id === this.store.chosen.part ? "true" : null },
      html("th", { scope: "row", style: `padding-left:${18 * depth + 4}px` }, button(run.task, () => {}, { class: "name" })), cells);
    return [row, ...(depth < 4 ? worstFirst(inner).slice(0, ROWS).flatMap((each) => this.member(task, each, depth + 1)) : [])];
  }

  paint(name) {
    const known = this.rows.get(name);
    if (!known) return;
    const task = this.store.tasks.get(name);
    const standing = this.store.standing(name);
    const { row, cells } = known;
    row.classList.toggle("plain", Boolean(task.plain));
    this.head(name, cells[0]);
    put(row, "data-look", standing.look);
    const state = standing.state ?? task.state ?? "";
    const verdict = standing.state ? "" : task.verdict ?? "";
    this.cell(known, 1, verdict, () => mark(standing.look === "reused" ? "reused" : verdict, verdict));
    const isQuiet = ["", "Completed", "Mapped"].includes(state);
    this.cell(known, 2, state + standing.sub, () => isQuiet ? html("span", { class: "muted" }, state)
      : mark(LOOKS.states[state] ?? state, standing.isOpen ? standing.sub : state));
    this.cell(known, 3, age(task.made, this.store.now), (text) =>
      html("span", { title: task.made ? clockTime(task.made) : null }, text));
    const share = this.longest ? Math.round((100 * (task.seconds ?? 0)) / this.longest) : 0;
    this.cell(known, 4, task.took ?? "", (text) =>
      html("span", { class: share >= 5 ? "share" : null, style: `--share:${share}%` }, text));
    this.cell(known, 5, task.attempt ? String(task.attempt) : "");
    this.cell(known, 6, task.size ?? "");
    this.cell(known, 7, task.why ?? "");
  }

  // The name, with what opens it where it is a group.
  head(name, cell) {
    const words = this.store.groupWords(name);
    const isOpen = this.store.chosen.open.has(name);
    const told = words && `${words} ${isOpen}`;
    if (cell.dataset.group === told) return;
    cell.dataset.group = told;
    const flip = button(words, () => {}, { class: "flip muted", "data-flip": name, "aria-expanded": String(isOpen), "aria-label": `${words} of ${name}` });
    renew(cell, button(name, () => {}, { class: "name", title: name }), ...(words ? [" ", flip] : []));
  }

  cell(known, place, text, make) {
    if (known.told[place] === text) return;
    known.told[place] = text;
    renew(known.cells[place], text && make ? make(text) : text);
  }

  update({ whole, tasks }) {
    if (whole) return this.build();
    for (const name of tasks) this.paint(name);
    if (tasks.size) this.hideBlank();
    const hasOpen = [...tasks].some((name) => this.store.chosen.open.has(name));
    if (this.store.isFiltered || this.store.chosen.sort[0] || hasOpen) this.order();
  }

  tick() {
    for (const [name, live] of this.store.live) if (LOOKS.open.includes(live[LIVE.state])) this.paint(name);
  }

  sortBy(name) {
    const [before, turn] = this.store.chosen.sort;
    this.store.choose({ sort: before !== name ? [name, 1] : turn > 0 ? [name, -1] : ["", 1] });
  }

  light() {
    const { task, part } = this.store.chosen;
    for (const [name, { row }] of this.rows) put(row, "aria-selected", name === task && !part ? "true" : null);
    for (const row of this.body.querySelectorAll("[data-part]")) put(row, "aria-selected", row.dataset.part === part ? "true" : null);
  }

  chose(changes) {
    if ("open" in changes) for (const name of this.rows.keys()) this.paint(name);
    if ("sort" in changes || "filter" in changes || "looks" in changes || "open" in changes) this.order();
    else if ("task" in changes) this.light();
  }

  key(event) {
    const row = event.target.closest("tr");
    const next = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[event.key];
    if (!next) return;
    event.preventDefault();
    next.querySelector("button").focus();
  }
}
