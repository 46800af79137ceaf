// What a person finds on a page. Chromium tells the role and the name of an element as it tells them to
// assistive technology; whatever is hidden from that has no role.

const blanks = (text) => (text ?? "").replace(/\s+/g, " ").trim();

/** The innermost element with a role and a text or name, or the whole page; null if it is not there. */
function part(wanted) {
  if (!wanted) return document.body;
  const all = [...document.querySelectorAll("*")].filter(
    (element) =>
      element.computedRole === wanted.role &&
      (blanks(element.innerText).includes(wanted.text) || blanks(element.computedName) === wanted.text),
  );
  return all.findLast((element) => !all.some((other) => other !== element && element.contains(other))) ?? null;
}

const text = (part) => blanks(part?.innerText);

// Where to look for a role, because asking every element of a long page for its role takes long.
const places = {
  button: "button, summary, input[type=submit], input[type=button], [role=button]",
  link: "a[href], [role=link]",
  field: "input:not([type=hidden]), select, textarea, [role=combobox], [role=searchbox], [role=textbox]",
};

const hasRole = (element, role) =>
  role === "field" || (role === "button" && element.tagName === "SUMMARY")
    ? element.computedRole !== ""
    : element.computedRole === role;

const ofRole = (part, role) =>
  [...(part?.querySelectorAll(places[role] ?? "*") ?? [])].filter((element) => hasRole(element, role));

/** Elements by role and name. */
function find(part, { role, name }) {
  return ofRole(part, role).filter((element) => blanks(element.computedName) === name);
}

/** Elements by role and name that can be used now. */
function findUsable(part, options) {
  return find(part, options).filter(
    (element) => !element.matches(":disabled") && element.getAttribute("aria-disabled") !== "true",
  );
}

/** The names of everything that has a role. */
const names = (part, role) => ofRole(part, role).map((element) => blanks(element.computedName));

/** How an element is shown to have the focus, if it is: by an outline or a shadow of its own or its label's. */
function focus(_, element) {
  const isMarked = (marked) => {
    const style = getComputedStyle(marked);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== "none";
  };
  const label = element.closest("label");
  const { width, height } = (label ?? element).getBoundingClientRect();
  return {
    role: element.computedRole,
    name: blanks(element.computedName),
    visible: width > 1 && height > 1 && (isMarked(element) || (label !== null && isMarked(label))),
  };
}

/** What does not fit the width of the screen. */
function tooWide() {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.body.querySelectorAll("*")]
    .filter((element) => element.getBoundingClientRect().right > width + 1)
    .map((element) => element.outerHTML.slice(0, 120));
}

/**
 * Controls that are too small for a finger. A link within a sentence is as high as its line; what is beside
 * the screen until it has the focus cannot be touched.
 */
function tooSmall(part, least) {
  const controls = [...ofRole(part, "button"), ...ofRole(part, "field"), ...ofRole(part, "link")];
  return controls
    .filter((control) => getComputedStyle(control).display !== "inline" || control.tagName !== "A")
    .map((control) => ({ control, box: (control.closest("label") ?? control).getBoundingClientRect() }))
    .filter(({ box }) => box.right > 0 && (box.height < least - 0.5 || box.width < least - 0.5))
    .map(({ control, box }) =>
      `${control.computedRole} “${blanks(control.computedName)}”: ${box.width.toFixed()} × ${box.height.toFixed()}`);
}

/** Whether a person sees it: neither hidden, nor left to assistive technology. */
function isSeen(element) {
  if (!element.checkVisibility({ visibilityProperty: true })) return false;
  for (let one = element; one; one = one.parentElement) {
    if (getComputedStyle(one).clipPath !== "none") return false;
  }
  return element.getBoundingClientRect().right > 0;
}

/** What would have to be scrolled sideways by itself, or is cut off or hangs out of the part it belongs to. */
function overflowing(part) {
  const describe = (element) => element.outerHTML.slice(0, 120);
  const found = [];
  for (const element of part.querySelectorAll("*")) {
    // What browsers draw themselves, and what a person types, scrolls within its field.
    if (element.closest("svg, select, input, textarea, template") || !isSeen(element)) continue;
    const { display, overflowX } = getComputedStyle(element);
    if (display === "inline" || display === "contents") continue;
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0) {
      found.push(`${overflowX}: ${describe(element)}`);
    }
  }
  return found;
}

/**
 * Words that are broken where no reader would break them: one that would fit any screen, or a long one into
 * pieces of a few letters. An e-mail address is one word.
 */
function brokenWords(part, { whole, least }) {
  const broken = new Set();
  const texts = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    if (!text.data.trim() || !isSeen(text.parentElement)) continue;
    for (const { 0: word, index } of text.data.matchAll(/\S+@\S+|[\p{L}\p{N}\p{M}]+/gu)) {
      const range = document.createRange();
      range.setStart(text, index);
      range.setEnd(text, index + word.length);
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size;
      if (lines > (word.length <= whole ? 1 : Math.ceil(word.length / least))) {
        broken.add(`“${word}” in ${lines} lines: ${text.parentElement.outerHTML.slice(0, 120)}`);
      }
    }
  }
  return [...broken];
}
