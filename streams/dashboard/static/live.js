// Live parts: elements with an id and `data-live` are taken anew from the server's own page, when
// the stream of changes says so (main[data-stream]), or every so often (main[data-poll-ms]).
//
// main[data-stream]   the place of the page in the stream; [data-stream-workflow] and
//                     [data-stream-instance] say which changes matter, all if they are missing.
const QUIET_MS = 700;
const POLL_MS = 5_000;
const HEALTH_MS = 10_000;
// As the server gave them: this runs before other scripts change times and the like.
const served = new Map([...document.querySelectorAll("[data-live][id]")].map((it) => [it.id, it.outerHTML]));

// 1 when it changed. What the reader has opened, and where the focus is, stays.
function replace(part, fresh, refreshed) {
  if (!fresh || same(part, fresh)) return 0;
  const typed = document.activeElement?.closest?.("input, textarea, select");
  if (typed && part.contains(typed) && typed.type !== "checkbox") { // never from under the hands
    served.delete(part.id);
    return 0;
  }
  const opened = new Set([...part.querySelectorAll("details[id]")].filter((it) => it.open).map((it) => it.id));
  const closed = new Set([...part.querySelectorAll("details[id]:not([open])")].map((it) => it.id));
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const current = part.querySelector("tr.is-current")?.dataset.href;
  const marked = new Set([...part.querySelectorAll("input[type=checkbox]:checked")].map((it) => it.value));
  const copy = document.importNode(fresh, true);
  for (const it of copy.querySelectorAll("details[id]")) { if (opened.has(it.id)) it.open = true; else if (closed.has(it.id)) it.open = false; }
  for (const it of copy.querySelectorAll("input[type=checkbox]")) if (marked.has(it.value)) it.checked = true;
  if (current) for (const row of copy.querySelectorAll("tr[data-href]")) row.classList.toggle("is-current", row.dataset.href === current);
  part.replaceWith(copy);
  const way = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.getAttribute("href") ? `a[href="${CSS.escape(focused.getAttribute("href"))}"]` : null);
  if (way) copy.querySelector(way)?.focus({ preventScroll: true });
  refreshed(copy);
  return 1;
}

function same(part, fresh) {
  const html = fresh.outerHTML;
  const known = served.get(part.id);
  served.set(part.id, html);
  return known === html;
}

// The strip on top of every page: what it says changes although no instance does.
function keepHealth(isHeld, refreshed) {
  setInterval(async () => {
    const strip = document.querySelector("#health[data-live]");
    if (!strip || document.hidden || isHeld()) return;
    try {
      const answer = await fetch("/health-strip", { redirect: "error" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      replace(strip, fresh.getElementById("health"), refreshed);
    } catch { /* the next time */ }
  }, HEALTH_MS);
}

export function follow({ announce, refreshed }) {
  const main = document.querySelector("main");
  const { stream, streamWorkflow, streamInstance, pollMs } = main.dataset;
  const here = main.dataset.here ?? location.href; // the answer to a form has another address
  let paused = false;
  keepHealth(() => paused, refreshed);
  if (stream === undefined && pollMs === undefined) return;

  const sign = document.querySelector("#live");
  const words = document.querySelector("#live-text");
  const button = document.querySelector("#live-pause");
  let place = stream ?? "", source = null, timer = null, poll = null, busy = false, again = false, told = main.dataset.news;

  function say(state, text) {
    sign.hidden = false;
    sign.dataset.state = state;
    words.textContent = text;
  }

  function matters(change) {
    return (!streamWorkflow || change.workflow === streamWorkflow) && (!streamInstance || change.instance_id === streamInstance);
  }

  function soon() { timer ??= setTimeout(() => { timer = null; refresh(); }, QUIET_MS); }

  async function refresh() {
    if (paused) return;
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(here, { headers: { Accept: "text/html" } });
      if (answer.status === 404 || new URL(answer.url).pathname === "/login") { // it is gone, or the session is
        stop();
        location.assign(here);
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      let changed = 0;
      for (const part of document.querySelectorAll("[data-live][id]")) changed += replace(part, fresh.getElementById(part.id), refreshed);
      const news = fresh.querySelector("main")?.dataset.news;
      if (changed && news && news !== told) announce(news);
      told = news ?? told;
      if (fresh.querySelector("main")?.dataset.pollMs === undefined && pollMs !== undefined) stop();
      if (sign.dataset.state === "away") say(source ? "live" : "polling", source ? "Live" : "Live, asking");
    } catch {
      say("away", "The gateway does not answer");
    } finally {
      busy = false;
      if (again) { again = false; soon(); }
    }
  }

  function listen() {
    stop();
    if (pollMs !== undefined) { poll = setInterval(refresh, Number(pollMs)); say("polling", "Live, asking"); return; }
    if (!("EventSource" in window)) { fallBack(); return; }
    source = new EventSource(`/api/v1/stream?since=${encodeURIComponent(place)}`);
    source.addEventListener("open", () => {
      stopPolling();
      say("live", "Live");
      if (!place) soon(); // without a place, what came between the page and the stream is not told
    });
    source.addEventListener("instance", (event) => {
      place = event.lastEventId || place;
      if (matters(JSON.parse(event.data))) soon();
    });
    source.addEventListener("reset", (event) => { place = event.lastEventId || place; soon(); });
    source.addEventListener("error", () => {
      fallBack();
      if (source.readyState === EventSource.CLOSED) { source = null; }
    });
  }

  function fallBack() {
    if (poll !== null) return;
    say("polling", "Live, asking");
    poll = setInterval(refresh, POLL_MS);
  }

  function stopPolling() { clearInterval(poll); poll = null; }
  function stop() { source?.close(); source = null; stopPolling(); clearTimeout(timer); timer = null; }

  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Resume" : "Pause";
    announce(paused ? "Live updates paused" : "Live updates resumed");
    if (paused) { stop(); say("paused", "Paused"); } else { listen(); refresh(); }
  });
  // A browser opens six connections to a host at most: tabs that nobody looks at give theirs back.
  document.addEventListener("visibilitychange", () => {
    if (paused) return;
    if (document.hidden) stop(); else { listen(); refresh(); }
  });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => { if (event.persisted && !paused) { listen(); refresh(); } });
  if (!document.hidden) listen();
}
