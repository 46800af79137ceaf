// What every page does: tells the server the viewer's zone, sends a form once, and says what is waited for.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const shown = document.documentElement.dataset.zone;
document.cookie = `zone=${zone}; Path=/; Max-Age=31536000; SameSite=Strict`;
// A page that was made in another zone is made again, unless the browser keeps no cookies.
if (shown && shown !== zone && document.cookie.includes(`zone=${zone}`) && !sessionStorage.getItem("zone")) {
  sessionStorage.setItem("zone", zone);
  location.reload();
} else if (shown === zone) {
  sessionStorage.removeItem("zone");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "true";
  for (const said of form.querySelectorAll("[data-busy]")) said.textContent = said.dataset.busy;
  // Disabled after the browser has read the form: the button pressed belongs to what is sent.
  setTimeout(() => {
    for (const button of form.querySelectorAll("button")) button.disabled = true;
  });
});

// A page that comes back from the browser's history can be used again.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.forms) {
    delete form.dataset.sent;
    for (const said of form.querySelectorAll("[data-busy]")) said.textContent = "";
    for (const button of form.querySelectorAll("button")) button.disabled = false;
  }
});
