// Timeline: who ran when in the last burst of work, with attempts, waits between them, and what was reused.

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
    if (this.store.isWorking) this.build();
  }

  chose(changes) {
    if ("task" in changes || "filter" in changes || "looks" in changes) this.build();
  }

  // One lane a task: the stretches between its states, in order of their beginning.
  lanes() {
    const lanes = new Map();
    for (const [task, state, at, attempt, number, saved] of this.store.events) {
      if (!lanes.has(task)) lanes.set(task, { task, stretches: [], number, notes: [], tries: 1, saved: null, ran: 0 });
      const lane = lanes.get(task);
      const open = lane.stretches.at(-1);
      if (open && open.end === null) open.end = at;
      const isOpen = LOOKS.open.includes(state);
      lane.state = state;
      lane.number = number || lane.number;
      lane.tries = Math.max(lane.tries, attempt);
      if (saved !== null && saved !== undefined) lane.saved = (lane.saved ?? 0) + saved;
      lane.stretches.push({ state, attempt, start: at, end: isOpen ? null : at, isEnd: !isOpen });
    }
    return [...lanes.values()].filter((lane) => this.isShown(lane));
  }

  isShown(lane) {
    const task = this.store.tasks.get(lane.task);
    const took = (lane.stretches.at(-1).end ?? this.store.now) - lane.stretches[0].start;
    const isPlain = task ? task.plain : !lane.number;
    lane.isPlain = isPlain;
    if (isPlain) return took >= QUICK && !this.store.isFiltered;
    return task ? this.store.matches(lane.task) : !this.store.isFiltered;
  }

  build() {
    const lanes = this.lanes();
    if (!lanes.length) {
      const text = this.store.events.length ? "nothing matches the filter" : "nothing has run in this kernel yet; the history shows earlier runs";
      this.element.replaceChildren(html("p", { class: "more" }, text));
      return;
    }
    const start = Math.min(...lanes.map((lane) => lane.stretches[0].start));
    const last = Math.max(...lanes.map((lane) => lane.stretches.at(-1).end ?? 0));
    const end = Math.max(this.store.isWorking ? this.store.now : last, start + 0.05);
    const at = (time) => (100 * (time - start)) / (end - start);
    this.element.replaceChildren(this.head(lanes, start, end), this.axis(end - start),
      html("ul", { class: "lanes" }, lanes.map((lane) => this.lane(lane, at))),
      ...(this.store.isWorking ? [html("div", { class: "playhead", "aria-hidden": "true" }, html("i"))] : []));
  }

  head(lanes, start, end) {
    const numbers = [...new Set(lanes.map((lane) => lane.number).filter(Boolean))].sort((one, other) => one - other);
    const runs = numbers.length > 1 ? `runs ${numbers[0]} to ${numbers.at(-1)}` : numbers.length ? `run ${numbers[0]}` : "";
    const saved = lanes.reduce((sum, lane) => sum + (lane.saved ?? 0), 0);
    const parts = [runs, new Date(start * 1000).toLocaleTimeString(), `${duration(end - start)} in all`];
    if (saved) parts.push(`reuse saved ${duration(saved)}`);
    return html("p", { class: "about" }, parts.filter(Boolean).join(" · "));
  }

  axis(seconds) {
    const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600];
    const room = Math.max((this.element.clientWidth || 700) - 400, 100);
    const step = steps.find((each) => seconds / each <= Math.min(room / 70, 8)) ?? 86400;
    const ticks = [];
    for (let time = 0; time <= seconds * 1.0001; time += step) {
      ticks.push(html("span", { class: "tick", style: `left:${(100 * time) / seconds}%` }, html("b", {}, time ? duration(time) : "0")));
    }
    return html("div", { class: "axis", "aria-hidden": "true" }, html("div", { class: "track" }, ticks));
  }

  lane(lane, at) {
    const { look } = this.store.tasks.has(lane.task) && !lane.isPlain ? { look: LOOKS.states[lane.state] ?? lane.state } : { look: "not run" };
    const words = this.words(lane);
    const bars = lane.stretches.map((stretch) => this.bar(stretch, at)).filter(Boolean);
    const isChosen = lane.task === this.store.chosen.task;
    const classes = ["lane", lane.isPlain ? "plain" : "", isChosen ? "chosen" : ""].filter(Boolean).join(" ");
    return html("li", { class: classes, "data-task": lane.task, "data-state": lane.state },
      button(lane.task, () => this.store.choose({ task: lane.task, run: 0 }), { class: "name", disabled: !this.store.tasks.has(lane.task) }),
      html("div", { class: "track", "aria-hidden": "true" }, bars),
      html("span", { class: "told", title: words }, lane.isPlain ? html("span", { class: "muted" }, words) : mark(look, words)));
  }

  bar(stretch, at) {
    const end = stretch.end ?? this.store.now;
    const kind = LOOKS.states[stretch.state] ?? stretch.state;
    if (stretch.isEnd && stretch.state !== "Cached") return null;
    if (["pending", "scheduled"].includes(kind) && end - stretch.start < 0.02) return null;
    const left = at(stretch.start);
    const isWait = ["awaiting retry", "pending", "scheduled", "paused", "late"].includes(kind);
    const classes = ["bar", isWait ? "wait" : "", stretch.isEnd ? "reuse" : "", stretch.end === null ? "open" : ""].join(" ");
    const shown = stretch.isEnd ? "cached" : this.outcome(stretch, kind);
    return html("i", { class: classes, style: `--hue:${lookOf(shown).hue};left:${left}%;width:${Math.max(at(end) - left, 0)}%` });
  }

  // A stretch bears the colour of what came out of it, an attempt that failed that of the failure.
  outcome(stretch, kind) {
    if (stretch.end === null || !["running", "retrying", "looping"].includes(kind)) return kind;
    return stretch.then ?? "completed";
  }

  words(lane) {
    for (const [place, stretch] of lane.stretches.entries()) {
      const next = lane.stretches[place + 1];
      if (next) stretch.then = { AwaitingRetry: "failed" }[next.state] ?? LOOKS.states[next.state] ?? "completed";
    }
    const ran = lane.stretches.filter(({ state }) => ["Running", "Retrying", "Looping"].includes(state))
      .reduce((sum, { start, end }) => sum + ((end ?? this.store.now) - start), 0);
    const waited = lane.stretches.filter(({ state }) => state === "AwaitingRetry")
      .reduce((sum, { start, end }) => sum + ((end ?? this.store.now) - start), 0);
    const isOver = !LOOKS.open.includes(lane.state);
    const parts = [];
    if (ran >= 0.001 || lane.saved === null) parts.push(duration(ran));
    if (lane.tries > 1) parts.push(`${lane.tries} attempts`);
    if (waited > 0.05) parts.push(`waited ${duration(waited)}`);
    if (lane.saved !== null) parts.push(`reused, saved ${duration(lane.saved)}`);
    if (isOver && !["Completed", "Cached"].includes(lane.state)) parts.unshift(LOOKS.states[lane.state] ?? lane.state);
    return parts.join(" · ");
  }
}
