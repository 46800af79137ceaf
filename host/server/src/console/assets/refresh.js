// Keeps a part of a page up to date: an element with data-refresh (what to fetch) and data-every (seconds).
// It can be paused, and waits while somebody is in the middle of something there.

const part = document.querySelector("[data-refresh]");
if (part) follow(part);

function follow(part) {
  const address = new URL(part.dataset.refresh, document.baseURI);
  const seconds = Number(part.dataset.every);
  const controls = document.querySelector("[data-refresh-controls]");
  const state = document.querySelector("[data-refresh-state]");
  const pause = document.querySelector("[data-refresh-pause]");
  let paused = false;
  let shown;

  const say = (text) => {
    if (state.textContent !== text) state.textContent = text;
  };
  const running = `Updates every ${seconds} seconds`;
  say(running);
  controls.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    say(paused ? "Paused" : running);
    if (!paused) refresh();
  });
  setInterval(refresh, seconds * 1000);
  document.addEventListener("visibilitychange", refresh);

  const isWaiting = () =>
    paused || document.hidden || part.contains(document.activeElement) || part.querySelector("form[data-sent]");

  async function refresh() {
    if (isWaiting()) return;
    try {
      const response = await fetch(address, { headers: { Accept: "text/html" }, redirect: "manual" });
      // The session has ended or the connection is gone: the whole page says so.
      if (response.type === "opaqueredirect" || response.status === 404) return location.reload();
      if (!response.ok) throw new Error(`status ${response.status}`);
      const html = await response.text();
      if (isWaiting()) return;
      say(running);
      if (html !== shown) part.innerHTML = html;
      shown = html;
    } catch {
      if (!paused) say("The host does not answer. Trying again.");
    }
  }
}
