// Timeline: who ran when in the last burst of work, with attempts, waits between them, what was reused, what each has
// started in lanes of its own, and the chain of tasks that nothing could have shortened but they themselves.

const WAITS = ["awaiting retry", "pending", "scheduled", "paused", "late"];
const LANES = 60;

class Timeline {
  constructor(store) {
    this.store = store;
    this.element = html("div", { class: "timeline" });
    this.build();
    new ResizeObserver(() => this.build()).observe(this.element);
  }

  update() {
    this.build();
  }

  tick() {
    if (this.isRunning) this.build();
  }

  chose(changes) {
    if (["task", "filter", "looks", "open"].some((each) => each in changes)) this.build();
  }

  // One lane a task: the stretches between the states of its runs, in order of their beginning.
  lanes() {
    const lanes = new Map();
    for (const run of this.store.runs.roots) {
      if (!lanes.has(run.task)) lanes.set(run.task, { task: run.task, stretches: [], children: [], saved: null, tries: 1, isStep: run.role === "step" });
      const lane = lanes.get(run.task);
      lane.stretches.push(...run.stretches);
      lane.children.push(...run.children);
      lane.saved = run.saved === null ? lane.saved : (lane.saved ?? 0) + run.saved;
      Object.assign(lane, { state: run.state, isOpen: run.isOpen, number: run.number || lane.number, tries: Math.max(lane.tries, run.tries), message: run.message });
    }
    return [...lanes.values()].filter((lane) => this.isShown(lane));
  }

  isShown(lane) {
    const task = lane.isStep ? this.store.tasks.get(lane.task) : null;
    const took = (lane.stretches.at(-1).end ?? this.store.now) - lane.stretches[0].start;
    lane.isPlain = task ? Boolean(task.plain) : lane.isStep && !lane.number;
    if (lane.isPlain) return (took >= QUICK || lane.children.length > 0) && !this.store.isFiltered;
    return task ? this.store.matches(lane.task) : !this.store.isFiltered;
  }

  build() {
    const lanes = this.lanes();
    if (!lanes.length) {
      return renew(this.element, html("p", { class: "more" }, this.nothing));
    }
    const start = Math.min(...lanes.map((lane) => lane.stretches[0].start));
    const last = Math.max(...lanes.map((lane) => lane.stretches.at(-1).end ?? 0));
    const end = Math.max(this.isRunning ? this.store.now : last, start + 0.05);
    const at = (time) => (100 * (Math.min(time, end) - start)) / (end - start); // what waits for a person goes on for ever
    const path = this.criticalPath(lanes);
    const isOn = new Set(path.ids);
    renew(this.element, this.head(lanes, start, end, path), this.axis(end - start),
      html("ul", { class: "lanes" }, lanes.flatMap((lane) => this.group(lane, at, isOn))),
      this.isRunning ? html("div", { class: "playhead", "aria-hidden": "true" }, html("i")) : "");
  }

  // A cell that has only just begun is not shown yet, and what was before has ended.
  get isRunning() {
    return this.store.runs.open.size > 0;
  }

  get nothing() {
    if (!this.store.runs.roots.length) return "nothing has run in this kernel yet; the history shows earlier runs";
    return this.store.isFiltered ? "nothing matches the filter" : "no task has run since; the history shows earlier runs";
  }

  criticalPath(lanes) {
    const [only] = lanes;
    const found = this.store.can("run") || this.store.picture.tasks.length > 1 ? this.longestChain(lanes) : this.lastChain(members({ ...only, role: "step" }));
    return found.tasks.length > 1 && found.seconds >= 0.05 ? found : { seconds: 0, tasks: [], ids: [] };
  }

  // Of what a function has called: back from the run that ended last, always to the one that ended last before it began.
  lastChain(runs) {
    const began = (run) => run.stretches.find(({ state }) => EXECUTES.includes(state))?.start ?? run.start;
    const last = (some) => some.reduce((one, other) => (one && one.end >= other.end ? one : other), null);
    const chain = [];
    for (let run = last(runs.filter(({ end }) => end)); run; ) {
      chain.unshift(run);
      const start = began(run);
      run = last(runs.filter((each) => each.end && each.end <= start && !chain.includes(each)));
    }
    const sum = (some) => some.reduce((total, run) => total + spent(run, EXECUTES, this.store.now), 0);
    return { seconds: sum(chain), all: sum(runs), tasks: chain.map(({ task }) => task), ids: chain.map(({ id }) => id) };
  }

  // Of all chains of tasks that read from each other, the one that took longest.
  longestChain(lanes) {
    const took = new Map(lanes.filter(({ isStep }) => isStep).map((lane) => [lane.task, spent(lane, EXECUTES, this.store.now)]));
    const best = new Map();
    const longest = (task) => {
      if (!best.has(task)) {
        best.set(task, { seconds: 0, tasks: [] }); // whoever waits for itself ends here
        const above = [...new Set(this.store.above.get(task) ?? [])].map(longest);
        const before = above.reduce((one, other) => (other.seconds > one.seconds ? other : one), { seconds: 0, tasks: [] });
        const own = took.get(task) ?? 0;
        best.set(task, { seconds: before.seconds + own, tasks: own >= 0.001 ? [...before.tasks, task] : before.tasks });
      }
      return best.get(task);
    };
    const found = [...took.keys()].map(longest).reduce((one, other) => (other.seconds > one.seconds ? other : one), { seconds: 0, tasks: [] });
    return { ...found, ids: found.tasks };
  }

  head(lanes, start, end, path) {
    const numbers = [...new Set(lanes.map((lane) => lane.number).filter(Boolean))].sort((one, other) => one - other);
    const runs = numbers.length > 1 ? `runs ${numbers[0]} to ${numbers.at(-1)}` : numbers.length ? `run ${numbers[0]}` : "";
    const saved = lanes.reduce((sum, lane) => sum + (lane.saved ?? 0), 0);
    const ran = lanes.filter(({ isStep }) => isStep).reduce((sum, lane) => sum + spent(lane, EXECUTES, this.store.now), 0);
    const parts = [runs, new Date(start * 1000).toLocaleTimeString([], { hourCycle: "h23" }), `${duration(end - start)} in all`];
    if (saved) parts.push(`reuse saved ${duration(saved)}`);
    const names = path.tasks.length > 6 ? [...path.tasks.slice(0, 3), "…", ...path.tasks.slice(-2)] : path.tasks;
    const critical = path.tasks.length ? html("span", { class: "critical" }, html("i", { "aria-hidden": "true" }),
      `critical path ${duration(path.seconds)} of ${duration(Math.max(path.all ?? ran, path.seconds))}: ${names.join(" → ")}`) : "";
    return html("p", { class: "about" }, html("span", {}, parts.filter(Boolean).join(" · ")), critical);
  }

  axis(seconds) {
    const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600];
    const room = Math.max((this.element.clientWidth || 700) - 400, 100);
    const step = steps.find((each) => seconds / each <= Math.min(room / 70, 8)) ?? 86400;
    const word = (time) => (step < 0.1 && time < 1 ? `${Math.round(time * 1000)} ms` : duration(time));
    const ticks = [];
    for (let time = 0; time <= seconds * 1.0001; time += step) {
      ticks.push(html("span", { class: "tick", style: `left:${(100 * time) / seconds}%` }, html("b", {}, time ? word(time) : "0")));
    }
    return html("div", { class: "axis", "aria-hidden": "true" }, html("div", { class: "track" }, ticks));
  }

  // The lane of a task or a cell, and those of what it has started, failed ones first.
  group(lane, at, isOn) {
    const { chosen } = this.store;
    const isOpen = chosen.open.has(lane.task);
    const inner = members({ children: lane.children, role: "step" });
    const isChosen = lane.task === chosen.task && !chosen.part;
    const classes = ["lane", lane.isPlain ? "plain" : "", isChosen ? "chosen" : "", isOn.has(lane.task) ? "critical" : ""].filter(Boolean).join(" ");
    const name = button(lane.task, () => this.store.choose({ task: lane.task, run: 0 }), { class: "name", disabled: !(lane.isStep && this.store.tasks.has(lane.task)) });
    const own = this.lane(lane, at, { class: classes, "data-task": lane.task, "data-state": lane.state }, [this.flip(lane.task, inner, isOpen), name], inner);
    return isOpen ? [own, ...this.within(lane.task, inner, at, isOn, 1)] : [own];
  }

  flip(key, inner, isOpen) {
    if (!inner.length) return "";
    const told = `${this.store.told(inner)} of ${key}`;
    return button("", () => this.store.flip(key), { class: "flip", "data-flip": key, "aria-expanded": String(isOpen), "aria-label": told, title: told });
  }

  within(task, runs, at, isOn, depth) {
    const shown = worstFirst(runs).slice(0, LANES);
    const rest = runs.length - shown.length;
    const more = rest ? [html("li", { class: "lane part" }, html("span", { class: "muted", style: `padding-left:${14 * depth}px` }, `${rest.toLocaleString("en")} more`))] : [];
    return [...shown.flatMap((run) => {
      const inner = members(run);
      const choose = () => this.store.choose({ task, run: 0, part: run.id });
      const name = button(run.task, choose, { class: "name", style: `margin-left:${14 * depth}px`, disabled: run.role === "map" || !this.store.tasks.has(task) });
      const classes = ["lane", "part", run.id === this.store.chosen.part ? "chosen" : "", isOn.has(run.id) ? "critical" : ""].filter(Boolean).join(" ");
      const lane = this.lane(run, at, { class: classes, "data-part": run.id, "data-state": run.state }, [name], inner);
      return [lane, ...(depth < 4 ? this.within(task, inner, at, isOn, depth + 1) : [])];
    }), ...more];
  }

  lane(lane, at, attributes, names, inner) {
    const words = this.words(lane, inner);
    const bars = lane.stretches.map((stretch) => this.bar(stretch, at)).filter(Boolean);
    const told = lane.isPlain ? html("span", { class: "muted" }, words) : mark(lookOfRun(lane), words);
    return html("li", attributes, html("span", { class: "names" }, names), html("div", { class: "track", "aria-hidden": "true" }, bars), html("span", { class: "told", title: words }, told));
  }

  bar(stretch, at) {
    const end = stretch.end ?? this.store.now;
    const kind = LOOKS.states[stretch.state] ?? stretch.state;
    if (stretch.isEnd && stretch.state !== "Cached") return null;
    if (["pending", "scheduled"].includes(kind) && end - stretch.start < 0.02) return null;
    const left = at(stretch.start);
    const classes = ["bar", WAITS.includes(kind) ? "wait" : "", stretch.isEnd ? "reuse" : "", stretch.end === null ? "open" : ""].join(" ");
    const shown = stretch.isEnd ? "cached" : this.outcome(stretch, kind);
    return html("i", { class: classes, style: `--hue:${lookOf(shown).hue};left:${left}%;width:${Math.max(at(end) - left, 0)}%` });
  }

  // A stretch bears the colour of what came out of it, an attempt that failed that of the failure.
  outcome(stretch, kind) {
    return stretch.end === null || !EXECUTES.includes(stretch.state) ? kind : stretch.then ?? "completed";
  }

  words(lane, inner) {
    const ran = spent(lane, EXECUTES, this.store.now);
    const waited = spent(lane, ["AwaitingRetry"], this.store.now);
    const parts = [];
    if (ran >= 0.001 || lane.saved === null) parts.push(duration(ran));
    if (lane.tries > 1) parts.push(`${lane.tries} attempts`);
    if (waited > 0.05) parts.push(`waited ${duration(waited)}`);
    if (lane.saved !== null) parts.push(`reused, saved ${duration(lane.saved)}`);
    if (inner.length) parts.push(this.store.told(inner));
    if (!LOOKS.open.includes(lane.state) && !["Completed", "Cached", "Mapped"].includes(lane.state)) parts.unshift(lookOfRun(lane));
    if (lane.index !== undefined && lane.message) parts.push(lane.message);
    return parts.join(" · ");
  }
}
