// The Users tab: the list follows the search as it is typed, and members are mapped in place.
//
// Every step asks for the page that a browser without scripts would show, and takes from it what is new.

const WAIT_MS = 200;

const search = document.getElementById("team-search");
const live = document.getElementById("team-live");
const team = () => document.getElementById("team");

// Aborts the question before, so that a late answer never replaces a newer one.
function asker() {
  let asking;
  return async (address, options) => {
    asking?.abort();
    asking = new AbortController();
    const response = await fetch(address, { ...options, signal: asking.signal });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    return { response, page };
  };
}

function delayed(action) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, WAIT_MS);
  };
}

// Shows what is new. False: this is another page, such as the one to sign in.
function show({ response, page }) {
  if (!page.getElementById("team")) return false;
  for (const id of ["team-counts", "team"]) {
    document.getElementById(id).replaceChildren(...page.getElementById(id).childNodes);
  }
  if (response.redirected || !response.url.includes("/users/")) history.replaceState(null, "", response.url);
  const said = team().querySelector(".notice > p") ?? document.getElementById("team-found");
  live.textContent = said.textContent;
  return true;
}

// The search

const askTeam = asker();

async function update() {
  const address = new URL(search.action);
  for (const [name, value] of new FormData(search)) {
    if (value) address.searchParams.set(name, value);
  }
  try {
    if (!show(await askTeam(address))) location.assign(address);
  } catch (error) {
    // Nothing is lost: the button asks once more.
    if (error.name !== "AbortError") live.textContent = "The list could not be updated. Press Search to try again.";
  }
}

search.addEventListener("input", delayed(update));
search.addEventListener("submit", (event) => {
  event.preventDefault();
  update();
});

// Changes in place

let sending = false;

async function send(form, member) {
  if (sending) return;
  sending = true;
  const rows = [...team().querySelectorAll("tr[data-member]")];
  const place = rows.findIndex((row) => row.dataset.member === member);
  try {
    const answer = await asker()(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (!show(answer)) return location.reload();
    const left = [...team().querySelectorAll("tr[data-member]")];
    const row = left.find((row) => row.dataset.member === member) ?? left[Math.min(place, left.length - 1)];
    (row?.querySelector("[data-choose]") ?? search.elements.search).focus({ preventScroll: true });
  } catch {
    // The browser says best that the host does not answer.
    form.submit();
  } finally {
    sending = false;
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.busy) {
    const button = form.querySelector("button");
    button.textContent = form.dataset.busy;
    live.textContent = form.dataset.busy;
  }
  if (!("inplace" in form.dataset)) return;
  event.preventDefault();
  send(form, form.closest("tr")?.dataset.member ?? form.dataset.member);
}, { capture: true });

// A page that comes back from the browser's history is not busy any more.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

// The combobox

let open;

class Chooser {
  constructor(link) {
    this.link = link;
    this.ask = asker();
    this.form = document.getElementById("chooser").content.cloneNode(true).firstElementChild;
    this.input = this.form.querySelector("[role=combobox]");
    this.list = this.form.querySelector("[role=listbox]");
    this.popup = this.form.querySelector(".chooser-popup");
    this.state = this.form.querySelector("[role=status]");
    this.form.querySelector("[data-name]").textContent = link.dataset.choose;
    this.form.action = link.href;
    this.popup.hidden = true;
    const typed = delayed(() => this.find(this.input.value));
    this.input.addEventListener("input", typed);
    this.input.addEventListener("keydown", (event) => this.press(event));
    this.input.addEventListener("blur", () => this.collapse());
    this.input.addEventListener("click", () => this.expand());
    // The focus stays in the field while somebody points at the list.
    this.popup.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => this.choose(event.target.closest("[role=option]")));
    this.form.querySelector("button").addEventListener("click", () => this.close());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    link.hidden = true;
    link.after(this.form);
    this.input.focus();
    this.find();
  }

  async find(text) {
    const address = new URL(this.link.href);
    if (text !== undefined) address.searchParams.set("find", text);
    this.state.textContent = "Looking for users…";
    this.popup.hidden = false;
    try {
      const { page } = await this.ask(address);
      const found = page.getElementById("users-found");
      if (!found) return location.assign(this.link.href);
      // What the member is called like is a first guess, to be typed over.
      if (text === undefined && !this.input.value) {
        this.input.value = page.getElementById("find").value;
        this.input.select();
      }
      this.form.elements.before.value = page.querySelector("#users [name=before]")?.value ?? "";
      this.fill(page.querySelectorAll("#users [name=after]"));
      this.state.textContent = found.textContent;
    } catch (error) {
      if (error.name !== "AbortError") this.state.textContent = "The users could not be looked up. Type again.";
    }
  }

  fill(buttons) {
    this.active = undefined;
    this.input.removeAttribute("aria-activedescendant");
    this.list.replaceChildren(...[...buttons].map((button, index) => {
      const option = document.createElement("li");
      option.id = `chooser-${index}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dataset.value = button.value;
      option.append(...button.childNodes);
      return option;
    }));
    this.expand();
  }

  expand() {
    const some = this.list.childElementCount > 0;
    this.popup.hidden = false;
    this.list.hidden = !some;
    this.input.setAttribute("aria-expanded", String(some));
  }

  collapse() {
    this.popup.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.activate(undefined);
  }

  activate(option) {
    this.active?.setAttribute("aria-selected", "false");
    this.active = option;
    if (!option) return this.input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", option.id);
  }

  press(event) {
    const { list, active } = this;
    switch (event.key) {
      case "ArrowDown":
        this.expand();
        this.activate(active?.nextElementSibling ?? list.firstElementChild ?? undefined);
        break;
      case "ArrowUp":
        this.expand();
        this.activate(active?.previousElementSibling ?? list.lastElementChild ?? undefined);
        break;
      case "Enter":
        this.choose(active);
        break;
      case "Escape":
        this.close();
        break;
      default:
        return;
    }
    event.preventDefault();
  }

  choose(option) {
    if (!option) return;
    this.form.elements.after.value = option.dataset.value;
    send(this.form, this.link.closest("tr").dataset.member);
  }

  close() {
    this.form.remove();
    this.link.hidden = false;
    this.link.focus();
    open = undefined;
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-choose]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  if (open?.form.isConnected) open.close();
  open = new Chooser(link);
});
