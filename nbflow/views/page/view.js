// View: one place in the page where the flow is shown. The static view that stands there comes back when it ends.

const TABS = [
  ["graph", "Graph", Graph],
  ["table", "Table", TaskTable],
  ["timeline", "Timeline", Timeline],
  ["history", "History", History],
];

const UNHEARD = "this kernel does not hear the page while a cell runs: use the notebook's own Stop";

class View {
  constructor(store) {
    this.store = store;
    this.shell = html("div", { class: "nbf-flow", "data-lm-suppress-shortcuts": "true" });
    const shadow = this.shell.attachShadow({ mode: "open" });
    this.panes = new Map();
    this.details = new Details(store);
    this.note = html("p", { class: "note", role: "status" });
    this.saying = new Saying(store, this.note, this.shell, () => this.head());
    this.root = html("section", { class: "view", "aria-label": `flow of ${store.picture.title || "this notebook"}` },
      html("style", {}, STYLE), this.bar(), this.note,
      html("div", { class: "body" }, (this.main = html("div", { class: "main", role: "tabpanel", id: "pane" })), this.details.element));
    shadow.append(this.root);
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("focusout", (event) => this.noteFocus(event));
    this.root.addEventListener("pointerdown", ({ target }) => (this.press = { on: target, meant: meantBy(target), isBroken: false }));
    this.root.addEventListener("pointerup", (event) => this.endPress(event));
    store.followers.add(this);
    this.turn();
    this.update({ whole: true, tasks: new Set() });
    this.clock = setInterval(() => this.tick(), 500);
  }

  close() {
    clearInterval(this.clock);
    this.store.followers.delete(this);
    this.shell.remove();
  }

  // An output that is drawn anew takes the keyboard from the view that stood in it: it gets it back with its new place.
  noteFocus({ target, relatedTarget }) {
    this.had = relatedTarget ? null : target;
    queueMicrotask(() => { if (this.shell.isConnected) this.had = null; });
  }

  // Where that comes between press and release, or what was pressed is made anew, the browser sees no click.
  endPress({ target, clientX, clientY }) {
    const { press } = this;
    this.press = null;
    if (!press || (!press.isBroken && press.on.isConnected) || meantBy(target) !== press.meant) return;
    target.dispatchEvent(new MouseEvent("click", { bubbles: true, clientX, clientY }));
    const swallow = (event) => event.stopPropagation(); // a browser that sees one all the same
    this.root.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => this.root.removeEventListener("click", swallow, { capture: true }));
  }

  standIn(host) {
    host.append(this.shell);
    if (this.press) this.press.isBroken = true;
    if (this.had && document.activeElement === document.body) this.had.focus({ preventScroll: true });
    this.had = null;
    if (this.store.chosen.tab === "graph") this.pane.place();
  }

  // --- the bar -------------------------------------------------------------------------------

  bar() {
    this.tabs = TABS.map(([key, label]) => button(label, () => this.store.choose({ tab: key }),
      { role: "tab", id: `tab-${key}`, "aria-controls": "pane", "data-tab": key }));
    const tabs = html("div", { class: "tabs", role: "tablist", "aria-label": "views of the flow" }, this.tabs);
    tabs.addEventListener("keydown", (event) => this.tabKey(event));
    this.title = html("strong", { class: "title" });
    this.chips = html("div", { class: "chips", role: "group", "aria-label": "show only tasks that are" });
    this.sum = html("span", { class: "unseen", role: "status" });
    this.filter = html("input", { type: "search", placeholder: "Filter  /", "aria-label": "filter by name, state or tag", spellcheck: "false" });
    this.filter.addEventListener("input", () => this.store.choose({ filter: this.filter.value }));
    this.run = button("Run", () => this.act({ do: "run" }), { class: "primary", "data-do": "run" });
    this.stop = button("Stop", () => this.act({ do: "stop" }), { class: "stop", "data-do": "stop", title: "As the notebook's Stop: what runs is cancelled, finished results stay" });
    this.pause = button("Pause", () => this.act({ do: "pause" }), { "data-do": "pause", title: "What runs goes on; nothing new starts" });
    this.goOn = button("Go on", () => this.act({ do: "go on" }), { class: "primary", "data-do": "go on", title: "Let the next task start" });
    return html("header", { class: "bar" }, this.title, tabs, this.filter, this.chips, this.sum, html("div", { class: "acts" }, this.pause, this.goOn, this.stop, this.run));
  }

  turn() {
    const { tab } = this.store.chosen;
    for (const each of this.tabs) {
      const isOn = each.dataset.tab === tab;
      put(each, "aria-selected", String(isOn));
      put(each, "tabindex", isOn ? "0" : "-1");
    }
    if (!this.panes.has(tab)) this.panes.set(tab, new (TABS.find(([key]) => key === tab)[2])(this.store));
    const pane = this.panes.get(tab);
    this.main.replaceChildren(pane.element);
    put(this.main, "aria-labelledby", `tab-${tab}`);
    put(this.shell, "data-tab", tab);
    if (tab === "graph") pane.returns();
    if (tab === "history") pane.load();
  }

  get pane() {
    return this.panes.get(this.store.chosen.tab);
  }

  head() {
    const { store } = this;
    write(this.title, store.picture.title.replace(/\.ipynb$/, "") || "flow");
    const counts = store.counts();
    const sum = counts.map(([look, count]) => `${count} ${lookOf(look).word}`).join(", ");
    const told = sum + [...store.chosen.looks].join();
    if (told !== this.told) this.count(counts);
    this.told = told;
    write(this.sum, sum);
    this.buttons();
  }

  count(counts) {
    const { store } = this;
    const chips = counts.map(([look, count]) => {
      const isOn = store.chosen.looks.has(look);
      return button(mark(look, `${count.toLocaleString("en")} ${lookOf(look).word}`), () => this.only(look),
        { class: "chip", "aria-pressed": String(isOn), "data-key": look, "data-look": look, title: `Show only what is ${lookOf(look).word}` });
    });
    renew(this.chips, chips);
  }

  buttons() {
    const { store } = this;
    const isWorking = store.isWorking;
    const stale = store.stale();
    const seconds = stale.reduce((sum, task) => sum + (task.seconds ?? 0), 0);
    // The head counts one that failed as failed, though it is stale as well.
    const noun = stale.every((task) => store.lookNow(task.name) === "stale") ? "stale task" : "task";
    write(this.run, stale.length ? `Run ${counted(stale.length, noun)}${seconds >= 1 ? ` · about ${duration(seconds)}` : ""}` : "Up to date");
    this.run.hidden = isWorking || !store.picture.tasks.length || !store.can("run");
    this.run.disabled = !stale.length;
    this.run.title = "Bring everything up to date that is stale: %flow run";
    this.stop.hidden = !isWorking;
    const { hears, pauses, paused } = store.picture;
    this.pause.hidden = !isWorking || Boolean(pauses);
    this.pause.disabled = !hears;
    this.pause.title = hears ? "What runs goes on; nothing new starts" : UNHEARD;
    this.goOn.hidden = !isWorking || !pauses;
    put(this.shell, "data-paused", paused || null);
    put(this.shell, "data-working", isWorking ? "true" : null);
    put(this.shell, "data-number", store.number);
    if (isWorking && this.note.textContent === ASKED) write(this.note, "");
    if (this.steers && !isWorking) {
      this.steers = false;
      this.saying.free();
    }
    const notices = store.picture.notices.slice(-2).join(" · ");
    if (paused) write(this.note, `paused before ${paused}: Go on lets it start, Stop ends the run`);
    else if (!this.saying.isOn) write(this.note, notices);
  }

  only(look) {
    const looks = new Set(this.store.chosen.looks);
    if (!looks.delete(look)) looks.add(look);
    this.store.choose({ looks });
  }

  // Stop, pause and go on are heard while a cell runs, where the kernel allows that at all.
  act(message) {
    // Of a run that has ended there is more to say than that it was asked to.
    this.steers = ["stop", "pause", "go on"].includes(message.do);
    if (!this.steers) return this.saying.ask(message, ASKED, LATER);
    const first = this.store.picture.hears ? "asked; heard at once" : UNHEARD;
    this.saying.ask(message, first, first);
  }

  // --- staying current -----------------------------------------------------------------------

  update(news) {
    this.head();
    for (const [key, pane] of this.panes) {
      if (key === this.store.chosen.tab) pane.update(news);
      else if (key !== "graph" && key !== "table") this.panes.delete(key);
      else pane.update(news);
    }
    this.details.update(news);
  }

  chose(changes) {
    if ("tab" in changes) this.turn();
    for (const pane of this.panes.values()) pane.chose(changes);
    this.details.chose(changes);
    if ("looks" in changes || "filter" in changes) this.head();
    if (this.filter.value !== this.store.chosen.filter) this.filter.value = this.store.chosen.filter;
    put(this.shell, "data-selected", this.store.chosen.task || null);
    if ("task" in changes && this.root.getRootNode().activeElement?.closest(".side") && !this.store.chosen.task) this.main.querySelector("[tabindex='0']")?.focus();
  }

  tick() {
    this.pane.tick();
    this.details.tick();
  }

  // --- keys ----------------------------------------------------------------------------------

  // The notebook must not take them for commands: pressing d twice would delete the cell.
  key(event) {
    event.stopPropagation();
    const isTyping = event.target === this.filter;
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      this.filter.focus();
    } else if (event.key === "Escape") {
      if (isTyping && this.filter.value) this.store.choose({ filter: "" });
      else if (this.store.chosen.task) this.store.choose({ task: "", run: 0 });
      else if (this.store.isFiltered) this.store.choose({ filter: "", looks: new Set() });
    }
  }

  tabKey(event) {
    const place = this.tabs.indexOf(event.target);
    const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: this.tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = this.tabs[(to + this.tabs.length) % this.tabs.length];
    this.store.choose({ tab: tab.dataset.tab });
    tab.focus();
  }
}

// Takes the place of the static views of one flow wherever they stand or come to stand in the document. When an
// output is drawn anew, the view that stood there goes on in it, before anything is painted.
class Places {
  constructor(store) {
    this.store = store;
    this.views = [];
    this.hosts = document.getElementsByClassName("nbf-host");
    this.observer = new MutationObserver(() => this.settle());
    this.observer.observe(document.body, { childList: true, subtree: true });
    this.settle();
  }

  settle() {
    for (const host of [...this.hosts]) {
      if (host.dataset.nbflowView !== this.store.key || host.querySelector(":scope > .nbf-flow")) continue;
      const free = this.views.find((view) => !view.shell.isConnected);
      const view = free ?? new View(this.store);
      if (!free) this.views.push(view);
      for (const child of host.children) child.style.display = "none";
      view.standIn(host);
    }
  }

  close() {
    this.observer.disconnect();
    for (const view of this.views) {
      const host = view.shell.parentElement;
      view.close();
      for (const child of host?.children ?? []) child.style.display = "";
    }
  }
}

export default {
  initialize({ model }) {
    const store = new Store(model);
    store.places = new Places(store);
    return () => store.close();
  },
  // For hosts that show each output in a place of its own.
  render({ model, el }) {
    const store = stores.get(model.get("key")) ?? new Store(model);
    const view = new View(store);
    el.append(view.shell);
    return () => view.close();
  },
};
