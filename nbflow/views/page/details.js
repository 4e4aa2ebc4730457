// Details: all about the chosen task, or about one run of it; what the kernel knows is asked for when it is shown.

class Details {
  constructor(store) {
    this.store = store;
    this.title = html("div", { class: "head" });
    this.said = html("p", { class: "said", role: "status" });
    this.busy = html("p", { class: "said", role: "status" });
    this.facts = html("div", { class: "facts" });
    this.element = html("aside", { class: "side", "aria-label": "details of a task", tabindex: "-1" }, this.title, this.said, this.busy, this.facts);
    this.saying = new Saying(store, this.said, this.element);
    this.opened = new Set(["traceback", "inputs", "outputs", "log"]);
    this.known = null;
    this.looked = new Map(); // by side: which value is looked into, and the place that shows it
    this.show();
  }

  show() {
    const { task, run, part } = this.store.chosen;
    this.element.hidden = !task;
    if (!task) return;
    this.saying.forget();
    write(this.busy, "");
    put(this.element, "data-known", null);
    const isSame = this.known?.task === task && this.known.run === run && this.known.part === part;
    if (!isSame) this.looked.clear();
    this.known = isSame ? this.known : null;
    this.head();
    this.fill();
    this.ask();
  }

  async ask() {
    const { task, run, part } = this.store.chosen;
    const mine = (this.asked = Symbol());
    const of = { task, run, part };
    try {
      const answer = await this.store.ask({ ask: "details", task, number: run, run: part }, (some) => {
        if (mine !== this.asked) return;
        write(this.busy, "a cell is running; causes and values come when it ends");
        if (some && !this.known) this.know(some, of, "in part");
      });
      if (mine !== this.asked) return;
      write(this.busy, "");
      this.know(answer, of, part ? answer.name : run ? `${task} #${run}` : task);
    } catch (error) {
      if (mine === this.asked) write(this.busy, error.message);
    }
  }

  know(answer, of, what) {
    this.known = { ...answer, ...of };
    this.fill();
    put(this.element, "data-known", what);
    for (const [key, { name, start }] of this.looked) if (name) this.page(key, name, start, true); // it may be another one now
  }

  // --- the head ------------------------------------------------------------------------------

  head() {
    const { task: name, run, part } = this.store.chosen;
    put(this.element, "aria-label", `details of ${name} in ${this.store.picture.title || "this notebook"}`);
    if (part) return this.partHead(name, part);
    const task = this.store.tasks.get(name);
    const { look, sub, state } = this.store.standing(name);
    const [word, ...rest] = sub.split(" · ");
    // Of a run on its way the result of the one before says nothing.
    const facts = state ? rest : [task.plain ? "plain cell" : "", task.run ? `result of run ${task.run}` : "",
      task.took ? `took ${task.took}` : "", task.attempt ? `attempt ${task.attempt}` : "", task.size, age(task.made, this.store.now)];
    renew(this.title,
      html("div", { class: "line" }, html("h3", {}, name),
        button("×", () => this.store.choose({ task: "", run: 0 }), { class: "close", "aria-label": "close details", title: "Close (Esc)" })),
      html("p", { class: "how" }, mark(look, state ? word : undefined), " ", html("span", { class: "muted" }, facts.filter(Boolean).join(" · "))),
      task.about ? html("p", { class: "muted" }, task.about) : "",
      task.tags ? html("p", { class: "tags" }, task.tags.map((tag) => html("span", { class: "tag" }, tag))) : "",
      run ? this.pastLine(run) : this.actions(task));
  }

  // One run of those that a task or a cell has started: an item, a flow, or what that has called.
  partHead(task, part) {
    const run = this.store.runOf(task, part);
    const facts = run ? [duration(spent(run, EXECUTES, this.store.now)), run.tries > 1 ? `${run.tries} attempts` : "", run.saved !== null ? `saved ${duration(run.saved)}` : "",
      run.children.length ? this.store.told(members(run)) : ""] : [];
    renew(this.title,
      html("div", { class: "line" }, html("h3", {}, run?.task ?? "a run"),
        button("×", () => this.store.choose({ task: "", run: 0 }), { class: "close", "aria-label": "close details", title: "Close (Esc)" })),
      html("p", { class: "how" }, run ? mark(lookOfRun(run)) : "", " ", html("span", { class: "muted" }, facts.filter(Boolean).join(" · "))),
      html("p", { class: "past" }, html("span", { class: "muted" }, "within "), button(task, () => this.store.choose({ task, run: 0 }), { class: "link" })));
  }

  pastLine(run) {
    const name = this.store.chosen.task;
    if (!this.store.can("restore")) return html("div", { class: "past" }, html("b", {}, `run #${run}`), " ", button("Back to the present", () => this.store.choose({ run: 0 })));
    const act = (label, what, line) => button(label, () => this.act(what, { number: this.store.chosen.run }), { "data-do": what, title: `%flow ${line} ${name} #${run}` });
    return html("div", { class: "past" }, html("b", {}, `run #${run}`), " ", act("Restore this run", "restore", "restore"), act("Pin", "pin run", "pin"),
      button("Copy %flow open", () => this.copy(), { "data-do": "copy", title: "The line for a cell that gives code and inputs of this run" }),
      button("Back to the present", () => this.store.choose({ run: 0 })));
  }

  // A page cannot make cells: the line that does is handed over.
  async copy() {
    const { task, run } = this.store.chosen;
    const line = `%flow open ${task} '#${run}'`;
    const isCopied = await navigator.clipboard?.writeText(line).then(() => true, () => false);
    write(this.said, `${isCopied ? "copied; paste it into a cell: " : "run in a cell: "}${line}`);
  }

  // What can be done with a task as it stands.
  actions(task) {
    if (task.plain) return html("p", { class: "muted" }, "You run plain cells yourself.");
    const { look } = this.store.standing(task.name);
    const act = (label, what, title, css) => button(label, () => this.act(what), { title, "data-do": what, class: css });
    const { name } = task;
    const isBad = BAD.includes(look) && look !== "paused";
    const hasResult = Boolean(task.made);
    if (!this.store.can("run task")) return look === "paused" && this.store.can("resume") ? html("div", { class: "actions" }, act("Resume", "resume", "Let it run, and what waits for it", "primary")) : "";
    return html("div", { class: "actions" },
      look === "paused" ? act("Resume", "resume", `Let it run: %flow resume ${name}`, "primary") : "",
      act(isBad ? "Retry" : "Run", "run task", `Bring it and what it needs up to date: %flow run ${name}`, isBad ? "primary" : null),
      act("Run anew", "force", `Run it even where a result fits: %flow run ${name} --force`),
      ["stale", "as of"].includes(task.verdict) && hasResult && !task.hold ? act("Accept", "accept", `Take its result for up to date until something changes: %flow accept ${name}`) : "",
      task.hold === "pin" ? act("Unpin", "unpin", `%flow unpin ${name}`) : hasResult ? act("Pin", "pin", `Hold it at its result whatever changes: %flow pin ${name}`) : "",
      task.hold === "restore" ? act("Back to latest", "latest", `%flow restore latest ${name}`) : "");
  }

  act(what, more = {}) {
    this.saying.ask({ do: what, task: this.store.chosen.task, ...more }, ASKED, `${LATER}; Stop ends it now`);
  }

  // --- what is known -------------------------------------------------------------------------

  fill() {
    const { task: name, run, part } = this.store.chosen;
    if (part) return this.fillPart(this.store.runOf(name, part));
    const task = this.store.tasks.get(name);
    const known = this.known;
    const causes = known ? known.causes : [];
    const why = causes.length ? html("ul", { class: "causes" }, causes.map(([text, detail]) =>
      html("li", {}, text, detail ? html("span", { class: "muted" }, ` (${detail})`) : "")))
      : run ? "" : this.whyNow(task, known);
    const links = (names) => [...names].map((other) => button(other, () => this.store.choose({ task: other, run: 0 }), { class: "link" }));
    const [above, below] = [this.store.above.get(name) ?? [], this.store.below.get(name) ?? []];
    renew(this.facts, [
      task.error && !run ? this.failure(task.error) : run && known?.traceback ? this.failure(known.runs[0].states.at(-1).message) : [],
      why ? [html("h4", {}, run ? "Why it ran" : "Why"), why] : [],
      run && known?.diff ? this.sides(known.diff) : [],
      (known?.diffs ?? []).map(([subject, lines]) => [html("h4", {}, subject === name ? "Code, last run and now" : subject), this.diff(lines)]),
      task.notes && !run ? html("ul", { class: "causes" }, task.notes.filter((note) => note !== task.why).map((note) => html("li", {}, note))) : [],
      known?.reuse && !run ? html("p", { class: "muted" }, known.reuse) : [],
      !run && above.length ? html("p", { class: "ties" }, html("span", { class: "muted" }, "needs "), links(new Set(above))) : [],
      !run && below.length ? html("p", { class: "ties" }, html("span", { class: "muted" }, "feeds "), links(new Set(below))) : [],
      this.past(known?.runs ?? [], run),
      this.insides(known),
      this.section("source", "Source", known?.source ? [passage(known.source)] : []),
    ]);
  }

  // Why a task is as it was judged last, or why it runs, which the history knows.
  whyNow(task, known) {
    const { state } = this.store.standing(task.name);
    const text = state ? known?.runs?.[0]?.why : task.why === task.error ? "" : task.why;
    return text ? html("p", {}, text) : "";
  }

  fillPart(run) {
    const known = this.known;
    const own = known?.runs?.[0];
    const error = run && BAD.includes(lookOfRun(run)) ? run.message : "";
    renew(this.facts, [
      error ? this.failure(error) : [],
      own ? this.past([own], true) : [],
      this.insides(known),
    ]);
  }

  // What a run has failed with, and where.
  failure(error) {
    const where = this.known?.traceback;
    return [html("h4", {}, "Error"), html("pre", { class: "error" }, error),
      this.section("traceback", "Traceback", where ? [passage(where)] : [])];
  }

  // What a run was given, has made, has shown and has logged.
  insides(known) {
    return [
      this.values("inputs", known?.inputs ?? []),
      this.values("outputs", known?.outputs ?? []),
      this.section("shown", "What it showed", known?.shown?.length ? known.shown.map(([kind, content]) => this.output(kind, content)) : []),
      this.section("log", "Log", known?.log?.length ? [passage(known.log.join("\n"))] : []),
      known?.lost ? html("p", { class: "muted lost" }, known.lost) : [],
    ];
  }

  section(key, title, content) {
    if (!content.length) return [];
    const summary = html("summary", {}, title);
    const section = html("details", { "data-part": key, open: this.opened.has(key) }, summary, content);
    section.addEventListener("toggle", () => (section.open ? this.opened.add(key) : this.opened.delete(key)));
    return section;
  }

  past(runs, run) {
    if (!runs.length) return [];
    if (run) {
      const states = runs.flatMap((each) => each.states.map((state) => html("li", {}, mark(state.look, state.name),
        html("span", { class: "muted" }, [state.since && ` +${state.since}`, state.message && ` ${state.message}`].filter(Boolean).join(" ")))));
      return [html("h4", {}, "States"), html("ol", { class: "states" }, states),
        runs[0].saved && !this.store.chosen.part ? html("p", { class: "muted" }, `the reuse saved ${runs[0].saved}`) : ""];
    }
    const items = runs.map((each) => html("li", {},
      button(`#${each.number}`, () => this.store.choose({ run: each.number }), { class: "link", title: "Look at this run" }), " ",
      mark(each.look, each.state), html("span", { class: "muted" }, " ",
        [each.when, each.took || (each.saved && `saved ${each.saved}`), each.attempts > 1 && `${each.attempts} attempts`, each.why].filter(Boolean).join(" · ")),
      each === runs[0] ? html("div", { class: "steps" }, pathOf(each.states, true)) : ""));
    return [html("h4", {}, "Runs"), html("ol", { class: "states" }, items)];
  }

  diff(lines) {
    return html("pre", { class: "diff" }, lines.map((line) =>
      html("span", { class: { "-": "minus", "+": "plus" }[line[0]] ?? null }, line + "\n")));
  }

  // An earlier run beside the present: code, and what was seen and made, where that differs.
  sides({ sides: [then, now], code, changes, same, notes }) {
    const rows = changes.map((each) => html("tr", { "data-change": each.name },
      html("th", { scope: "row" }, each.name, html("span", { class: "muted" }, each.part === "output" ? " made" : each.kind === "name" ? "" : ` ${each.kind}`)),
      html("td", {}, each.before || "–"), html("td", {}, each.after || "–", each.notes.length ? html("div", { class: "muted" }, each.notes.join(", ")) : "")));
    const heads = html("tr", {}, ["", then, now].map((title) => html("th", { scope: "col" }, title || html("span", { class: "unseen" }, "name"))));
    const differs = rows.length ? html("table", { class: "values sides" }, html("caption", { class: "unseen" }, `${then} and ${now}`), html("thead", {}, heads), html("tbody", {}, rows)) : "";
    const nothing = !rows.length && !code.length ? html("p", { class: "muted" }, "nothing that was compared differs") : "";
    return [html("h4", {}, `${then[0].toUpperCase()}${then.slice(1)} and ${now}`), differs, nothing,
      code.map(([name, lines]) => [html("p", { class: "muted" }, `code of ${name}`), this.diff(lines)]),
      same ? html("p", { class: "muted" }, `${counted(same, "thing")} equal`) : "",
      notes.map((note) => html("p", { class: "muted" }, note))];
  }

  values(key, values) {
    if (!values.length) return [];
    const name = (value) => value.paged
      ? button(value.name, () => this.page(key, value.name), { class: "link", title: "Look into it" }) : value.name;
    const rows = values.map((value) => html("tr", { "data-value": value.name },
      html("th", { scope: "row" }, name(value)),
      html("td", {}, value.shape.includes(",") ? value.shape : value.preview || value.shape),
      html("td", { class: "muted" }, value.kind === "name" ? value.size : value.kind)));
    const list = html("table", { class: "values" }, html("caption", { class: "unseen" }, key), html("tbody", {}, rows));
    return this.section(key, `${key[0].toUpperCase()}${key.slice(1)} (${values.length})`, [list, this.lookedAt(key).place]);
  }

  // The place of a side stays the same while what stands around it is told anew.
  lookedAt(key) {
    if (!this.looked.has(key)) this.looked.set(key, { name: "", start: 0, place: html("div", { class: "pages", "data-pages": key }) });
    return this.looked.get(key);
  }

  async page(key, name, start = 0, isQuiet = false) {
    const { place } = Object.assign(this.lookedAt(key), { name, start });
    if (!isQuiet) renew(place, html("p", { class: "muted", role: "status" }, `asking for ${name} …`));
    const { task, run, part } = this.store.chosen;
    const isWanted = () => {
      const now = this.looked.get(key);
      return now?.place === place && now.name === name && now.start === start;
    };
    const say = (text) => isWanted() && renew(place, html("p", { class: "muted", role: "status" }, text));
    try {
      const page = await this.store.ask({ ask: "value", task, number: run, run: part, side: key, name, start },
        () => isQuiet || say("shown when the running cell ends"));
      if (!isWanted()) return; // meanwhile another one is looked into
      renew(place, this.paged(key, name, page));
      put(place, "data-shown", `${name} ${page.start}`);
    } catch (error) {
      say(error.message);
    }
  }

  paged(key, name, page) {
    const end = page.start + page.rows.length;
    const range = page.rows.length ? ` · rows ${page.start + 1} to ${end} of ${page.count.toLocaleString("en")}` : "";
    const turn = (label, start, isPossible) => button(label, () => this.page(key, name, start), { disabled: !isPossible, "data-key": `${name} ${start}`, "aria-label": `${label === "‹" ? "earlier" : "later"} rows` });
    const head = html("div", { class: "line" }, html("span", {}, html("b", {}, name), " ", html("span", { class: "muted" }, page.about + range)),
      page.count > page.rows.length ? html("span", { class: "turns" }, turn("‹", Math.max(0, page.start - 20), page.start > 0), turn("›", end, end < page.count)) : "");
    if (!page.rows.length) return [head, passage(page.text)];
    return [head, table(`rows of ${name}`, page.columns, page.rows.map((row) => html("tr", {}, row.map((cell, place) => html(place ? "td" : "th", place ? {} : { scope: "row" }, cell)))))];
  }

  output(kind, content) {
    if (kind === "text/plain") return passage(content);
    const address = kind === "image/svg+xml" ? `data:${kind};utf8,${encodeURIComponent(content)}` : `data:${kind};base64,${content}`;
    return html("img", { src: address, alt: "a picture that the run showed" });
  }

  // --- staying current -----------------------------------------------------------------------

  update({ whole, tasks }) {
    const { task } = this.store.chosen;
    if (!task) return this.element.hidden ? undefined : this.show();
    if (!whole && !tasks.has(task)) return;
    this.head();
    const isOpen = this.store.standing(task).isOpen;
    if (isOpen && !this.saying.isOn) write(this.said, "");
    if (isOpen && this.store.can("run task")) return; // a cell runs, and what there is to know comes when it ends
    clearTimeout(this.later);
    this.later = setTimeout(() => this.store.chosen.task === task && this.ask(), 150);
  }

  chose(changes) {
    if ("task" in changes || "run" in changes || "part" in changes) this.show();
  }

  tick() {
    const { task } = this.store.chosen;
    if (task && this.store.standing(task).isOpen) this.head();
  }
}
