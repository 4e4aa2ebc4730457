// Runs: who ran within whom and how it went, built from the events that the page is told.

const BAD = ["failed", "timed out", "crashed", "trigger failed", "validation failed", "cancelled", "paused"];
const EXECUTES = ["Running", "Retrying", "Looping"];

class Runs {
  constructor(events, kept = 0) {
    this.all = new Map();
    this.open = new Set(); // those on their way; what waits for a person is not
    this.newest = new Map(); // by task: the run of what has a box
    for (const [place, event] of events.entries()) this.take(event, place < kept);
  }

  // Add an event; those that are kept are from before the present burst of work.
  take([task, state, at, attempt, number, saved, id, parent, role, index, message], isKept = false) {
    const run = this.all.get(id) ?? this.begin({ id, task, parent, role, index, start: at, isKept });
    const open = run.stretches.at(-1);
    if (open && open.end === null) open.end = at;
    const isOpen = LOOKS.open.includes(state);
    if (open && EXECUTES.includes(open.state)) open.then = { AwaitingRetry: "failed" }[state] ?? LOOKS.states[state] ?? "completed";
    run.stretches.push({ state, start: at, end: isOpen ? null : at, isEnd: !isOpen });
    Object.assign(run, { state, isOpen, number: number || run.number, end: isOpen ? null : at, message: message || run.message });
    if (isOpen && state !== "Paused") this.open.add(id);
    else this.open.delete(id);
    run.tries = Math.max(run.tries, attempt);
    if (saved !== null && saved !== undefined) run.saved = saved;
    return run;
  }

  begin(known) {
    const run = { ...known, number: 0, stretches: [], children: [], tries: 1, saved: null, message: "" };
    this.all.set(run.id, run);
    this.all.get(run.parent)?.children.push(run);
    if (run.role === "step") this.newest.set(run.task, run);
    return run;
  }

  // The runs that belong to no other, from the present burst, as they began.
  get roots() {
    return [...this.all.values()].filter((run) => !run.isKept && !this.all.has(run.parent));
  }

  root(run) {
    while (this.all.has(run.parent)) run = this.all.get(run.parent);
    return run;
  }
}

const lookOfRun = (run) => LOOKS.states[run.state] ?? run.state.toLowerCase();

// How long the body of a run executed, all attempts together; and how long it waited between them.
const spent = (run, states, now) => run.stretches.filter(({ state }) => states.includes(state))
  .reduce((sum, { start, end }) => sum + Math.max((end ?? now) - start, 0), 0);

const baseOf = (run) => run.task.replace(/\[\d+\]$/, "");

// What a run has started, in the order of its beginning; what a flow has mapped as groups of items.
function members(run) {
  const found = [];
  const isMap = run.role !== "flow" && new Set(run.children.map((child) => child.index === null || baseOf(child))).size < 2;
  let group = null;
  for (const child of run.children) {
    const base = baseOf(child);
    if (child.index === null || isMap) found.push(child);
    else if (group?.task === base && child.index > 0) group.children.push(child);
    else found.push((group = { id: `${child.id} and more`, task: base, role: "map", index: null, number: run.number, children: [child], stretches: [], tries: 1, saved: null, message: "" }));
    if (child.index === null) group = null;
  }
  for (const each of found) if (each.role === "map") sumUp(each);
  return found;
}

// A map in a flow has no run of its own: it is as its items are.
function sumUp(group) {
  const worst = worstFirst(group.children)[0];
  const isOpen = group.children.some((each) => each.isOpen);
  const isBad = BAD.includes(lookOfRun(worst));
  const start = Math.min(...group.children.map((each) => each.start));
  const end = isOpen ? null : Math.max(...group.children.map((each) => each.end));
  const state = isOpen ? "Running" : isBad ? worst.state : "Mapped";
  Object.assign(group, { state, isOpen, start, end, stretches: [{ state: "Running", start, end, then: isBad ? lookOfRun(worst) : "mapped" }] });
}

// Failed ones first, then those that run, then as they began.
function worstFirst(runs) {
  const rank = (run) => (BAD.includes(lookOfRun(run)) ? 0 : run.isOpen ? 1 : 2);
  return runs.map((run) => [rank(run), run]).sort(([one], [other]) => one - other).map(([, run]) => run);
}

// How many members a group has, and how many of them are not well: `12 items`, `1 of 12 items failed`.
function groupWords(counts, noun = "item") {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const bad = counts.filter(([look]) => BAD.includes(look));
  if (!total) return "";
  if (bad.length === 1) return `${bad[0][1].toLocaleString("en")} of ${counted(total, noun)} ${bad[0][0]}`;
  const told = bad.map(([look, count]) => `${count.toLocaleString("en")} ${look}`);
  return [counted(total, noun), ...(told.length ? [told.join(", ")] : [])].join(": ");
}

// Looks of runs and how many there are of each.
function countLooks(runs) {
  const found = new Map();
  for (const run of runs) {
    const look = lookOfRun(run);
    found.set(look, (found.get(look) ?? 0) + 1);
  }
  return [...found];
}
