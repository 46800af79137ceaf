// Follows the change feed, and says how well that goes.
//
// A browser connects a broken stream again by itself and says which event it saw last, so that nothing is
// missed. Where it gives up, as when a host has no stream left, the page is asked for again now and then.

const POLL_MS = 15_000;
// Whoever comes back later than that gets a new page, not everything that happened meanwhile.
const AWAY_MS = 60_000;
const RESTART_MS = 1_000;

// A place is the life of the feed that it is of and a number, which grows: only numbers of one life compare.
export const numberOf = (place) => Number(place.slice(place.lastIndexOf("-") + 1));

// `change` takes one event's data and its place; `reload` brings the page up to date and returns its place,
// nothing if that failed, or false if it is of no use to go on; `state` takes "live", "reconnecting" or "polling".
export function follow({ address, place, change, reload, state }) {
  let source = null;
  let timer = null;
  let hiddenAt = null;

  function open() {
    close();
    const url = new URL(address, document.baseURI);
    url.searchParams.set("after", place);
    source = new EventSource(url);
    source.onopen = () => state("live");
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) {
        state("polling");
        timer = setTimeout(renew, POLL_MS);
      } else {
        state("reconnecting");
      }
    };
    source.addEventListener("entry", (event) => {
      place = event.lastEventId;
      change(JSON.parse(event.data), numberOf(place));
    });
    // The host's data was restored: the page shows what is not there any more.
    source.addEventListener("feed-restarted", () => {
      close();
      state("reconnecting");
      timer = setTimeout(renew, RESTART_MS);
    });
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  async function renew() {
    close();
    const renewed = await reload();
    if (renewed === false) return;
    if (renewed) place = renewed;
    if (!document.hidden) open();
  }

  // Browsers open only a few connections to a host, so a page that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      hiddenAt = Date.now();
      close();
    } else if (Date.now() - hiddenAt > AWAY_MS) {
      renew();
    } else {
      open();
    }
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => {
    if (event.persisted) renew();
  });
  if (document.hidden) hiddenAt = 0;
  else open();
}
