// Store: what the page knows of one flow, kept current by the kernel's messages, and what the user has chosen.
// Nothing that the kernel owns is ever written back to it.

// By their mark; shared by all copies of this module, as each model brings its own.
const stores = (globalThis[Symbol.for("nbflow.stores")] ??= new Map());
const LIVE = { state: 1, at: 2, attempt: 3, number: 4, saved: 5 };
const QUICK = 0.1;

class Store {
  constructor(model) {
    this.model = model;
    this.key = model.get("key");
    this.chosen = { tab: model.get("picture").tab ?? "graph", task: "", run: 0, part: "", filter: "", looks: new Set(), sort: ["", 1], scope: false, open: new Set() };
    this.zoom = null;
    this.followers = new Set();
    this.questions = new Map();
    this.asked = 0;
    this.offset = 0;
    this.changed = new Set();
    this.isGone = false;
    this.take(model.get("picture"));
    this.listen = (message) => this.hear(message);
    model.on("msg:custom", this.listen);
    // The kernel is being restarted: nobody is there any more.
    model.on("comm_live_update", (this.end = () => this.close()));
    stores.get(this.key)?.close();
    stores.set(this.key, this);
    this.send({ kind: "opened", number: this.number }); // what came before this page listened is told once more
  }

  close() {
    if (this.isGone) return;
    this.isGone = true;
    this.places?.close();
    this.model.off("msg:custom", this.listen);
    this.model.off("comm_live_update", this.end);
    for (const question of this.questions.values()) question.fail(new Error("the kernel is gone"));
    if (stores.get(this.key) === this) stores.delete(this.key);
  }

  // --- what the kernel says ------------------------------------------------------------------

  take(picture) {
    this.picture = { tasks: [], lines: [], corners: [], extent: [0, 0], box: [160, 44], notices: [], ...picture };
    this.tasks = new Map(this.picture.tasks.map((task) => [task.name, task]));
    this.live = new Map(Object.entries(picture.live ?? {}));
    this.runs = new Runs(picture.events ?? [], picture.kept);
    this.families = new Map(); // of tasks: what they have started before anybody watched
    this.burst = picture.burst ?? 0;
    this.number = picture.number ?? 0;
    this.above = new Map();
    this.below = new Map();
    if (this.picture.tasks.length === 1 && !this.can("run")) this.chosen.open.add(this.picture.tasks[0].name);
    for (const { name } of this.picture.tasks) this.above.set(name, []), this.below.set(name, []);
    for (const [source, target] of this.picture.lines) {
      const [from, to] = [this.picture.tasks[source].name, this.picture.tasks[target].name];
      this.below.get(from).push(to);
      this.above.get(to).push(from);
    }
    this.noteTime(picture.now);
    if (this.chosen.task && !this.tasks.has(this.chosen.task)) this.chosen.task = "";
    this.isWhole = true;
    this.fetchOpen(this.chosen.open);
  }

  noteTime(now) {
    if (now) this.offset = now - Date.now() / 1000;
  }

  // The kernel's time: the clocks of two machines need not agree.
  get now() {
    return Date.now() / 1000 + this.offset;
  }

  hear(message) {
    if (message.kind === "reply") return this.heed(message);
    if (message.kind === "end") return this.close();
    if (message.kind === "whole") this.take(message);
    else if (message.kind === "patch") this.patch(message);
    else return;
    this.paintSoon();
  }

  patch({ tasks, live, events, burst, kept, number, now, kind, ...others }) {
    for (const [name, task] of Object.entries(tasks)) {
      this.tasks.set(name, task);
      this.families.delete(name); // what it holds now may be of another run
      this.live.delete(name);
      this.changed.add(name);
    }
    for (const [name, state] of Object.entries(live)) {
      this.live.set(name, state);
      this.changed.add(name);
    }
    if (burst !== this.burst) [this.burst, this.runs] = [burst, new Runs(events, kept)];
    else for (const event of events) this.runs.take(event);
    for (const [, , , , , , id] of events) this.changed.add(this.runs.root(this.runs.all.get(id)).task);
    Object.assign(this.picture, others);
    this.picture.tasks = this.picture.tasks.map((task) => this.tasks.get(task.name));
    this.number = number;
    if (Object.keys(tasks).length) this.noteTime(now);
    this.fetchOpen(Object.keys(tasks));
  }

  // Painted once a frame, however many messages came.
  paintSoon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      const news = { whole: this.isWhole, tasks: this.changed };
      [this.isWhole, this.changed] = [false, new Set()];
      for (const follower of [...this.followers]) follower.update(news);
      this.send({ kind: "painted", number: this.number });
    });
  }

  // --- what the page asks --------------------------------------------------------------------

  send(message) {
    if (!this.isGone) this.model.send(message);
  }

  // Ask or have something done: a promise of the answer. `waits` is called if the kernel has to end a cell
  // first, with what is known meanwhile, and if it is not heard of for a second.
  ask(message, waits = () => {}) {
    const id = ++this.asked;
    return new Promise((done, fail) => {
      const late = setTimeout(() => this.isWorking || waits(), 1000);
      this.questions.set(id, { done, fail, waits, late });
      this.send({ ...message, id });
    });
  }

  heed(message) {
    const question = this.questions.get(message.to);
    if (!question) return;
    clearTimeout(question.late);
    if (message.waits) return question.waits(message.answer);
    this.questions.delete(message.to);
    if (message.error !== undefined) question.fail(new Error(message.error));
    else question.done(message.answer ?? message.text ?? "");
  }

  // --- how a task stands ---------------------------------------------------------------------

  // Look, words and state of a task now: that of a run on its way, else as it was judged last.
  standing(name) {
    const task = this.tasks.get(name);
    const live = this.live.get(name);
    if (!task || !live) return { look: task?.look ?? "not run", sub: task?.sub ?? "", why: task?.why ?? "", isOpen: false };
    const [state, attempt] = [live[LIVE.state], live[LIVE.attempt]];
    const look = LOOKS.states[state] ?? state.toLowerCase();
    const isOpen = LOOKS.open.includes(state);
    const parts = [look, attempt > 1 ? `attempt ${attempt}` : ""];
    if (isOpen && look !== "pending") parts.push(this.progress(task, live[LIVE.at]));
    if (live[LIVE.saved] !== null && !isOpen) parts.push(`saved ${duration(live[LIVE.saved])}`);
    const within = this.runs.newest.get(name)?.children ?? [];
    if (within.length) parts.push(this.told(within));
    if (within.length && BAD.includes(look)) parts.shift(); // the group says it
    return { look, sub: parts.filter(Boolean).join(" · "), why: task.why ?? "", isOpen, state };
  }

  // --- groups --------------------------------------------------------------------------------

  // What a task or a cell has started: known from its last run, else asked for when it is opened.
  membersOf(name) {
    const run = this.runs.newest.get(name);
    if (run?.children.length) return members(run);
    return this.families.get(name) ?? [];
  }

  runOf(task, id) {
    const find = (runs) => {
      for (const run of runs) {
        const found = run.id === id ? run : find(members(run));
        if (found) return found;
      }
      return null;
    };
    return this.runs.all.get(id) ?? find(this.membersOf(task));
  }

  // How a group stands, in words; empty for what is none.
  groupWords(name) {
    const members = this.membersOf(name);
    if (members.length) return this.told(members);
    return groupWords((this.tasks.get(name)?.items ?? []).map(([state, count]) => [LOOKS.states[state] ?? state, count]));
  }

  told(members) {
    const noun = members.every((each) => each.index !== null) ? "item" : "run";
    const open = members.filter((each) => each.isOpen).length;
    const words = groupWords(countLooks(members), noun);
    return open && members.length > 1 ? `${words}, ${(members.length - open).toLocaleString("en")} done` : words;
  }

  flip(name) {
    const open = new Set(this.chosen.open);
    if (!open.delete(name)) open.add(name);
    this.choose({ open });
    if (open.has(name) && !this.membersOf(name).length) this.fetchMembers(name);
  }

  // Ask for what open groups hold, as far as that is not known.
  fetchOpen(names) {
    for (const name of names) if (this.chosen.open.has(name) && this.tasks.has(name) && !this.membersOf(name).length) this.fetchMembers(name);
  }

  async fetchMembers(name) {
    const take = (answer) => {
      if (!answer) return;
      const known = new Runs(answer.events, answer.events.length);
      this.families.set(name, [...known.all.values()].find((run) => run.children.length)?.children ?? []);
      this.changed.add(name);
      this.paintSoon();
    };
    take(await this.ask({ ask: "items", task: name }, take).catch(() => null));
  }

  // ---------------------------------------------------------------------------------------------

  progress(task, since) {
    const passed = Math.max(0, this.now - since);
    const about = task.seconds > 1 ? ` of about ${duration(task.seconds)}` : "";
    const counted = passed < 10 ? `${Math.floor(passed)} s` : duration(Math.floor(passed));
    return passed < 1 && !about ? "" : counted + about;
  }

  // Its look alone, which costs less than all that is said of it.
  lookNow(name) {
    const live = this.live.get(name);
    if (live) return LOOKS.states[live[LIVE.state]] ?? live[LIVE.state].toLowerCase();
    return this.tasks.get(name)?.look ?? "not run";
  }

  // Whether a button stands for something that can be done with this flow.
  can(what) {
    return (this.picture.does ?? []).includes(what);
  }

  get isWorking() {
    if (this.runs.open.size) return true;
    for (const live of this.live.values()) if (LOOKS.open.includes(live[LIVE.state])) return true;
    return false;
  }

  // How many tasks there are of each look, what needs attention first.
  counts() {
    const found = new Map();
    for (const task of this.picture.tasks) {
      if (task.plain) continue;
      const look = this.lookNow(task.name);
      const word = look === "reused" ? "fresh" : look;
      found.set(word, (found.get(word) ?? 0) + 1);
    }
    const last = ["stale", "waits", "as of", "registered", "not run", "cached", "completed", "fresh"];
    return [...found].sort(([one], [other]) => last.indexOf(one) - last.indexOf(other));
  }

  // What is said where there are no tasks.
  get invitation() {
    return this.can("run") ? "no tasks yet: begin a cell with #@task and run it" : "no tasks yet";
  }

  stale() {
    return this.picture.tasks.filter((task) => !task.plain && task.verdict === "stale");
  }

  matches(name) {
    const { filter, looks } = this.chosen;
    const task = this.tasks.get(name);
    const look = this.lookNow(name);
    const word = look === "reused" ? "fresh" : look;
    if (looks.size && (!looks.has(word) || task.plain)) return false;
    const words = filter.trim().toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return true;
    const text = [name, word, task.state, ...(task.tags ?? []), ...(task.writes ?? [])].join(" ").toLowerCase();
    return words.every((each) => text.includes(each));
  }

  get isFiltered() {
    return Boolean(this.chosen.filter.trim() || this.chosen.looks.size);
  }

  reach(name, next) {
    const found = new Set();
    const todo = [name];
    while (todo.length) {
      for (const other of next.get(todo.pop()) ?? []) {
        if (!found.has(other)) found.add(other), todo.push(other);
      }
    }
    return found;
  }

  choose(changes) {
    if ("task" in changes && !("part" in changes)) changes = { ...changes, part: "" };
    Object.assign(this.chosen, changes);
    for (const follower of [...this.followers]) follower.chose(changes);
  }
}
