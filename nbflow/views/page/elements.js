// Elements: small makers of HTML and SVG, all of them by text and attributes, never by markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

const html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// Set an attribute or a text only where it differs: most of what is told anew has not changed.
function put(element, name, value) {
  if (value === null || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// What an element stands for, whatever is said of it: the first of these that it names.
const SUBJECTS = ["key", "part", "fold", "flip", "do", "task", "run"];

function subjectOf({ localName, dataset }) {
  const kind = SUBJECTS.find((each) => dataset[each] !== undefined);
  return kind ? `${localName} ${kind}=${dataset[kind]}` : localName;
}

// The same for people; what stands for nothing in particular is told apart by its words.
function meaningOf(element) {
  const subject = subjectOf(element);
  return subject === element.localName ? `${subject} ${element.textContent}` : subject;
}

// What is meant by who presses an element: that, or what it is a part of.
const meantBy = (element) => meaningOf(element.closest("button, [data-part], [data-fold], [data-task], [data-run]") ?? element);

// What has the keyboard keeps it while what it is part of is made anew or moved.
function keepingFocus(element, make) {
  const root = element.getRootNode();
  const had = element.contains(root.activeElement ?? null) ? root.activeElement : null;
  make();
  if (!had || root.activeElement === had) return;
  const twin = element.contains(had) ? had : [...element.querySelectorAll(had.localName)].find((each) => meaningOf(each) === meaningOf(had));
  (twin ?? element.closest("[tabindex]"))?.focus({ preventScroll: true });
}

// Only what differs takes the place of what stands there: a button that is being pressed stays the same element. What
// a button does must therefore follow from what it looks like and from what is chosen.
function renew(element, ...children) {
  keepingFocus(element, () => patch(element, children.flat(4).filter((child) => child !== null && child !== undefined && child !== "")));
}

// Buttons and sections are not patched but replaced: they do what they were made for.
function patch(element, children) {
  for (const [place, made] of children.entries()) {
    const child = made instanceof Node ? made : document.createTextNode(made);
    const old = element.childNodes[place];
    if (!old) element.append(child);
    else if (old === child || old.isEqualNode(child)) continue;
    else if (["button", "details", undefined].includes(old.localName) || !child.localName || subjectOf(old) !== subjectOf(child)) old.replaceWith(child);
    else {
      for (const { name } of [...old.attributes]) if (!child.hasAttribute(name)) old.removeAttribute(name);
      for (const { name, value } of child.attributes) put(old, name, value);
      patch(old, [...child.childNodes]);
    }
  }
  while (element.childNodes.length > children.length) element.lastChild.remove();
}

const NEUTRAL = { hue: "#838b95", icon: "M9 3.4a5.6 5.6 0 1 0 .01 0", shape: "round", dash: "" };
const lookOf = (name) => LOOKS.looks[name] ?? { ...NEUTRAL, word: name };

function icon(look) {
  return svg("svg", { class: "icon", viewBox: "0 0 18 18", "aria-hidden": "true" }, svg("path", { d: look.icon }));
}

// Icon and word in the look's colour.
function mark(name, text) {
  const look = lookOf(name);
  return html("span", { class: "mark", style: `--hue:${look.hue}` }, icon(look), " ", text ?? look.word);
}

// The states that a run went through, with the time that each came after the first, and what they say.
function pathOf(states, isBrief = false) {
  return states.map(({ look, name, since, message }, place) => [place ? html("span", { class: "arrow" }, "→") : "",
    html("span", { class: "whole" }, mark(look, name), since ? html("span", { class: "muted" }, ` +${since}`) : ""),
    message && !isBrief ? html("span", { class: "muted" }, ` ${message}`) : ""]);
}

// A text that may be too large for its place.
const passage = (text) => html("pre", { class: "source", tabindex: "0" }, text);

function button(label, act, attributes = {}) {
  return html("button", { type: "button", onclick: act, ...attributes }, label);
}

// A table with a caption for those who hear it.
function table(caption, heads, rows) {
  const head = heads.map((title) => html("th", { scope: "col" }, title || html("span", { class: "unseen" }, "row")));
  return html(
    "div",
    { class: "scrolls", tabindex: "0", role: "group", "aria-label": caption },
    html("table", {}, html("caption", { class: "unseen" }, caption), html("thead", {}, html("tr", {}, head)),
      html("tbody", {}, rows)),
  );
}

const outlines = {
  round: (w, h) => `M8 0H${w - 8}a8 8 0 0 1 8 8V${h - 8}a8 8 0 0 1-8 8H8a8 8 0 0 1-8-8V8a8 8 0 0 1 8-8z`,
  slant: (w, h) => `M9 0H${w}L${w - 9} ${h}H0z`,
  square: (w, h) => `M0 0H${w}V${h}H0z`,
  octagon: (w, h) =>
    `M10 0H${w - 10}L${w} 10V${h - 10}L${w - 10} ${h}H10L0 ${h - 10}V10z`,
};

// Texts are measured with the page's own font, so that none runs out of its box.
const pen = document.createElement("canvas").getContext("2d");
const widths = new Map();

function widthOf(text, font) {
  const key = font + text;
  if (!widths.has(key)) {
    if (widths.size > 20000) widths.clear();
    pen.font = font;
    widths.set(key, pen.measureText(text).width);
  }
  return widths.get(key);
}

function fitted(text, font, room) {
  if (widthOf(text, font) <= room) return text;
  let low = 0, high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (widthOf(text.slice(0, middle).trimEnd() + "…", font) <= room) low = middle;
    else high = middle - 1;
  }
  return low ? text.slice(0, low).replace(/[\s·:,]+$/, "") + "…" : "";
}
