// Saying: the line that tells what became of a wish, for as long as it takes to read it.

const ASKED = "asked …";
const LATER = "begins when the running cell ends";
const READ = 8000;

class Saying {
  // `marked` bears how it went; `after` is called when the line is free for other words.
  constructor(store, line, marked, after = () => {}) {
    Object.assign(this, { store, line, marked, after, isOn: false });
  }

  // Nobody waits for what was asked any more, and the line is free.
  forget() {
    this.free();
    this.asked = null;
    write(this.line, "");
    put(this.marked, "data-act", null);
  }

  // What was said is no news any more: the line is free for other words at once.
  free() {
    clearTimeout(this.timer);
    this.isOn = false;
  }

  // The states of what was done may come behind its answer: the line is kept from them for a while.
  async ask(message, first, waiting) {
    const mine = (this.asked = Symbol());
    const say = (text, how) => mine === this.asked && (write(this.line, text), put(this.marked, "data-act", how));
    this.isOn = true;
    say(first, "asked");
    try {
      say(await this.store.ask(message, () => say(waiting, "asked")), "done");
    } catch (error) {
      say(error.message, "failed");
    }
    if (mine !== this.asked) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.isOn = false;
      this.after();
    }, READ);
  }
}
