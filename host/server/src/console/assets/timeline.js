// The timeline as it happens: rows that arrive, times that go on, sums that follow.

import { follow, numberOf } from "./live.js";

const root = document.getElementById("timeline");
const status = document.getElementById("live-status");
const news = document.getElementById("live-news");

// What runs is measured with the server's clock.
const ahead = Number(root.dataset.now) - Date.now();
const now = () => Date.now() + ahead;

const find = (name, value, within = root) => within.querySelector(`[${name}="${CSS.escape(value)}"]`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Running timers

const two = (number) => String(number).padStart(2, "0");

function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

let summedAt = performance.now();

function tick() {
  const running = root.querySelectorAll("[data-since]");
  for (const time of running) time.textContent = clock(now() - Number(time.dataset.since));
  // Sums are in minutes, and whether everything arrives may change without any entry.
  if (performance.now() - summedAt > 60_000) refresh("sums");
  // A page of today is made again when today is over, unless somebody types.
  if (now() > Number(root.dataset.over ?? Infinity) && !document.activeElement.matches("input, select")) {
    delete root.dataset.over;
    location.reload();
  }
}
setInterval(tick, 1000);

// Sums, or everything, from a new copy of the page

let wanted = null;
let busy = false;
let readyAt = 0;
let ended = false;
let duringReload = null;

// The first change shows at once, further ones together: the more a page costs, the less often.
async function refresh(what) {
  wanted = wanted === "everything" ? wanted : what;
  if (busy || ended) return;
  busy = true;
  while (wanted && !ended && !document.hidden) {
    await sleep(Math.max(0, readyAt - performance.now()));
    const what = wanted;
    wanted = null;
    const begun = performance.now();
    await (what === "everything" ? reload() : load(replaceSums));
    readyAt = performance.now() + Math.max(1000, 10 * (performance.now() - begun));
  }
  busy = false;
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && wanted) refresh(wanted);
});

// The page's new content, given to `use`: its place, nothing if it cannot be had now, false if never.
async function load(use) {
  summedAt = performance.now();
  try {
    const response = await fetch(location.href, { cache: "no-store" });
    if (response.redirected) {
      ended = true;
      say("ended", "You are signed out. Load the page again to sign in.");
      return false;
    }
    if (!response.ok) return undefined;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const content = page.getElementById("timeline");
    keepFocus(() => use(content));
    return content.dataset.place;
  } catch {
    return undefined;
  }
}

function replaceSums(content) {
  for (const sum of content.querySelectorAll("[data-summary]")) {
    document.getElementById(sum.id)?.replaceWith(sum);
  }
  showState();
}

// What arrives while the new copy is on its way, and is newer than it, is added to it.
async function reload() {
  const arrived = (duringReload = []);
  const place = await load((content) => root.replaceChildren(...content.childNodes));
  duringReload = null;
  showState();
  if (place) for (const [data, at] of arrived) if (at > numberOf(place)) apply(data);
  return place;
}

function keepFocus(replace) {
  const focused = document.activeElement;
  const target = root.contains(focused) && focused.getAttribute("href");
  replace();
  if (target && !focused.isConnected) find("href", target)?.focus({ preventScroll: true });
}

// Rows

function change(data, place) {
  duringReload?.push([data, place]);
  apply(data);
}

function apply({ id, html }) {
  const before = find("data-entry", id);
  if (!html) {
    if (before) remove(before);
    return;
  }
  const template = document.createElement("template");
  template.innerHTML = html;
  const row = template.content.firstElementChild;
  if (before && before.outerHTML === row.outerHTML) return;
  const list = listFor(row);
  if (!list) return refresh("everything");
  const isOnePageOfMany = list.dataset.order === "descending" && !list.dataset.most;
  if (isOnePageOfMany && !before) return;
  row.classList.add(before ? "entry-changed" : "entry-new");
  if (before?.parentElement === list && before.dataset.start === row.dataset.start) {
    before.replaceWith(row);
  } else {
    before?.remove();
    insert(list, row);
  }
  if (!before && row.isConnected) announce(row);
  refresh("sums");
}

function listFor(row) {
  if (!root.querySelector(".person-day")) return root.querySelector("ol.entries");
  const section = [...root.querySelectorAll(".person-day")].find((day) => day.dataset.person === row.dataset.person);
  return section?.querySelector("ol.entries");
}

function insert(list, row) {
  const start = Number(row.dataset.start);
  const isBefore = list.dataset.order === "ascending" ? (other) => start < other : (other) => start >= other;
  const next = [...list.children].find((other) => isBefore(Number(other.dataset.start)));
  list.insertBefore(row, next ?? null);
  const most = Number(list.dataset.most ?? Infinity);
  while (list.children.length > most) list.lastElementChild.remove();
}

function remove(row) {
  const list = row.parentElement;
  const wasFull = list.children.length >= Number(list.dataset.most ?? Infinity);
  row.remove();
  refresh(wasFull || list.children.length === 0 ? "everything" : "sums");
}

// What is said: often enough to know, seldom enough to bear.

let unsaid = [];
let sayTimer = null;

function announce(row) {
  unsaid.push(row);
  sayTimer ??= setTimeout(() => {
    const [first] = unsaid;
    const who = first.querySelector(".entry-person")?.textContent ?? "";
    const what = first.querySelector(".entry-text")?.textContent ?? "";
    news.textContent =
      unsaid.length > 1 ? `${unsaid.length} new entries.` : `New entry: ${[who, what].filter(Boolean).join(", ")}.`;
    unsaid = [];
    setTimeout(() => {
      sayTimer = null;
      if (unsaid.length > 0) announce(unsaid.pop());
    }, 10_000);
  }, 500);
}

function say(state, text) {
  status.closest(".live").dataset.state = state;
  if (status.textContent !== text) status.textContent = text;
}

let streamState = null;

// A page that follows the feed is only as whole as what arrives, which the host says.
function showState() {
  if (ended || !streamState) return;
  if (streamState === "live") {
    const { quality, live } = document.getElementById("standing").dataset;
    say(quality, live);
  } else {
    say(streamState, STATES[streamState]);
  }
}

const STATES = {
  reconnecting: "Reconnecting…",
  polling: "No live updates now. New entries are looked for every 15 seconds.",
};

// Addresses name only what was chosen.
document.querySelector("[data-filters]").addEventListener("submit", (event) => {
  const empty = [...event.target.elements].filter((field) => field.name && !field.value);
  for (const field of empty) field.disabled = true;
  setTimeout(() => {
    for (const field of empty) field.disabled = false;
  });
});

follow({
  address: root.dataset.events,
  place: root.dataset.place,
  change,
  reload,
  state: (state) => {
    streamState = state;
    showState();
  },
});
