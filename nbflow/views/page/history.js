// History: the runs of the flow and of one task, asked for in pages when somebody looks.

const HEADS = ["run", "started", "ran", "took", "reused", "saved", "why"];

class History {
  constructor(store) {
    this.store = store;
    this.runs = [];
    this.open = new Set();
    this.families = new Map();
    this.scope = html("div", { class: "scope", role: "group", "aria-label": "whose runs" });
    this.body = html("tbody");
    this.more = html("p", { class: "more", role: "status" });
    const head = html("tr", {}, HEADS.map((name) => html("th", { scope: "col", class: ["took", "saved"].includes(name) ? "number" : null }, name)));
    this.element = html("div", { class: "sheet" }, this.scope,
      (this.table = html("table", { class: "runs" }, html("caption", { class: "unseen" }, "runs, newest first"), html("thead", {}, head), this.body)), this.more);
    this.load();
  }

  get task() {
    return this.store.chosen.scope ? this.store.chosen.task : "";
  }

  async load(isMore = false) {
    const start = isMore ? this.runs.reduce((sum, run) => sum + run.lines.length, 0) : 0;
    const task = this.task;
    this.choices();
    renew(this.more, this.runs.length ? "" : "asking …");
    try {
      const before = isMore ? this.runs : [];
      const take = (answer) => answer && task === this.task && this.take(before, answer);
      take(await this.store.ask({ ask: "history", task, start }, take));
    } catch (error) {
      renew(this.more, error.message);
    }
  }

  take(before, answer) {
    this.runs = [...before, ...answer.runs];
    this.isMore = answer.more;
    this.show();
  }

  choices() {
    const { task, scope } = this.store.chosen;
    const choice = (label, isScoped) => button(label, () => {
      this.store.choose({ scope: isScoped });
    }, { class: "choice", "aria-pressed": String(scope === isScoped) });
    renew(this.scope, choice("whole flow", false), task ? choice(`only ${task}`, true) : "");
  }

  show() {
    renew(this.body, this.runs.flatMap((run) => this.rows(run)));
    // Where nothing was reused there is nothing to say of that.
    this.table.classList.toggle("fresh", !this.runs.some((run) => run.reused.length));
    const older = button("older runs", () => this.load(true));
    renew(this.more, this.isMore ? older : this.runs.length ? "" : "no runs yet");
  }

  rows(run) {
    const isOpen = this.open.has(run.number);
    const flip = button(html("span", {}, `#${run.number}`), () => this.flip(run.number), { class: "flip", "aria-expanded": String(isOpen) });
    const failed = run.lines.filter((line) => BAD.includes(line.look));
    const ran = run.ran.length ? this.names(run.ran) : html("span", { class: "muted" }, "–");
    const row = html("tr", { "data-run": run.number },
      html("th", { scope: "row" }, flip), html("td", {}, run.when),
      html("td", { class: "names", title: run.ran.join(", ") }, failed.length ? mark(failed[0].look, this.names(run.ran)) : ran),
      html("td", { class: "number" }, run.took), html("td", { class: "names", title: run.reused.join(", ") }, this.names(run.reused)),
      html("td", { class: "number" }, run.saved), html("td", { class: "why" }, run.why));
    return isOpen ? [row, ...run.lines.flatMap((line) => this.line(line))] : [row];
  }

  names(names) {
    const unique = [...new Set(names)];
    return unique.length > 3 ? `${unique.slice(0, 2).join(", ")}, +${unique.length - 2}` : unique.join(", ");
  }

  line(line) {
    const look = () => this.store.choose({ task: line.task, run: line.number });
    const isOpen = this.open.has(line.id);
    const within = line.group ? button(line.group, () => this.flipWithin(line), { class: "flip muted", "data-flip": line.id, "aria-expanded": String(isOpen), "aria-label": `${line.group} of ${line.task}` }) : "";
    const row = html("tr", { class: "sub", "data-key": line.id, "data-line": line.task },
      html("td", {}), html("td", { colspan: "5" }, button(line.task, look, { class: "name", disabled: !this.store.tasks.has(line.task) }), " ", within, html("span", { class: "steps" }, pathOf(line.states))),
      html("td", { class: "why" }, line.saved ? `reused, saved ${line.saved}` : line.why));
    return isOpen ? [row, ...this.within(this.families.get(line.id), 1)] : [row];
  }

  // What a run has started, asked for when it is opened.
  within(run, depth) {
    if (!run) return [html("tr", { class: "sub" }, html("td", {}), html("td", { colspan: "6" }, "asking …"))];
    const more = run.more ? [html("tr", { class: "sub" }, html("td", {}), html("td", { colspan: "6" }, `${run.more.toLocaleString("en")} more`))] : [];
    return [...run.runs.flatMap((each) => [
      html("tr", { class: "sub", "data-within": each.task }, html("td", {}),
        html("td", { colspan: "5", style: `padding-left:${18 * depth}px` }, each.task, html("span", { class: "steps" }, mark(each.look, each.state), html("span", { class: "muted" }, each.took && ` ${each.took}`))),
        html("td", { class: "why" }, each.message)),
      ...this.within(each, depth + 1)]), ...more];
  }

  async flipWithin({ id }) {
    if (!this.open.delete(id)) this.open.add(id);
    this.show();
    if (!this.open.has(id) || this.families.has(id)) return;
    const take = (answer) => answer && (this.families.set(id, answer), this.show());
    take(await this.store.ask({ ask: "family", run: id }, take).catch(() => null));
  }

  flip(number) {
    if (!this.open.delete(number)) this.open.add(number);
    this.show();
  }

  update({ whole, tasks }) {
    const hasEnded = [...tasks].some((name) => !this.store.standing(name).isOpen);
    if (whole || hasEnded) {
      clearTimeout(this.later);
      this.later = setTimeout(() => this.element.isConnected && this.load(), 400);
    }
  }

  chose(changes) {
    if ("scope" in changes || ("task" in changes && this.store.chosen.scope)) this.load();
    else if ("task" in changes) this.choices();
  }

  tick() {}
}
