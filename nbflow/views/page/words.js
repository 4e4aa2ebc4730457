// Words: durations and ages as the static views say them.

function duration(seconds) {
  if (seconds === undefined || seconds === null) return "";
  if (seconds < 0.0995) return `${Math.round(Math.max(seconds, 0) * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const pair = (large, word, small, less) => {
    const rest = Math.floor((whole % large) / small);
    return `${Math.floor(whole / large)} ${word}` + (rest ? ` ${rest} ${less}` : "");
  };
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(60, "min", 1, "s");
  return whole < 86400 ? pair(3600, "h", 60, "min") : pair(86400, "d", 3600, "h");
}

function age(made, now) {
  if (!made || !now) return "";
  const passed = Math.max(0, Math.round(now - made));
  if (passed < 10) return "just now";
  const units = [[31536000, "y"], [5184000, "months"], [86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const [limit, word] = units.find(([seconds]) => passed >= seconds);
  return `${Math.floor(passed / (word === "months" ? 2592000 : limit))} ${word} ago`;
}

const clockTime = (at) => new Date(at * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
