// Connecting: follows the steps without loading the page again.

// How often in a row the host may leave a question unanswered.
const PATIENCE = 40;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function follow(region) {
  let failures = 0;
  while (region.dataset.follow && failures < PATIENCE) {
    await pause(Number(region.dataset.follow));
    let page;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.status >= 500) throw new Error(answer.statusText);
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
      failures = 0;
    } catch {
      failures += 1;
      continue;
    }
    // It ended, or somebody signed out: that is another page.
    if (page.title !== document.title) {
      location.reload();
      return;
    }
    for (const part of region.querySelectorAll("[data-live]")) {
      const now = page.getElementById(part.id);
      // Screen readers say what is put in place, so only what changed is.
      if (now && now.innerHTML !== part.innerHTML) part.replaceChildren(...now.childNodes);
    }
    region.dataset.follow = page.querySelector("[data-follow]")?.dataset.follow ?? "";
  }
}

const followed = document.querySelector("[data-follow]");
if (followed) follow(followed);
