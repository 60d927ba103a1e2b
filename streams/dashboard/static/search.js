// Results as you type: the page is asked for anew with what the form says now, and its results are
// taken from it. A later question ends an earlier one, so an old answer never replaces a newer one.
const PAUSE_MS = 160;
const form = document.querySelector("#search");
let asking = null, timer = null;

// Not from app.js: imported under another address than the page's own, it would run twice.
function announce(text) { document.querySelector("#announce").textContent = text; }

// What the form asks for; fields that say nothing stay out of the address.
function address() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    const text = name === "q" ? value.trim() : value;
    const usual = (name === "mode" && text === "semantic") || (name === "limit" && text === "10");
    if (text && !usual) query.append(name, text);
  }
  const text = query.toString();
  return text ? `/search?${text}` : "/search";
}

// `again`: the same question, because its last answer was that nothing can be searched now.
async function ask(again = false) {
  const place = address();
  asking?.abort();
  if (!again && place === location.pathname + location.search) { idle(); return; }
  const mine = new AbortController();
  asking = mine;
  document.querySelector("#results").setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(place, { signal: mine.signal, headers: { Accept: "text/html" } });
    if (answer.redirected) { location.assign(place); return; } // the session has ended
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine.signal.aborted) return;
    show(fresh);
    history.replaceState(null, "", place);
    const wait = answer.status === 503 ? Number(answer.headers.get("Retry-After")) : 0;
    if (wait) timer = setTimeout(() => ask(true), 1_000 * wait);
  } catch (error) {
    if (error.name !== "AbortError") failed();
  } finally {
    if (asking === mine) asking = null;
  }
}

function show(fresh) {
  const results = fresh.querySelector("#results");
  if (!results) { failed(); return; }
  document.querySelector("#results").replaceWith(document.adoptNode(results));
  document.title = fresh.title;
  const [link, other] = [document, fresh].map((it) => it.querySelector('.foot a[href^="/api/"]'));
  if (link && other) link.href = other.getAttribute("href");
  else if (link) link.remove();
  else if (other) document.querySelector(".foot").prepend(document.adoptNode(other));
  const count = Number(results.dataset.count);
  const notice = results.querySelector(".notice");
  announce(notice ? "" : count === 1 ? "1 document" : `${count} documents`);
}

function idle() { document.querySelector("#results").removeAttribute("aria-busy"); }

function failed() {
  idle();
  announce("The gateway does not answer. What is shown is older.");
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(() => ask(), PAUSE_MS);
}

form.addEventListener("input", soon);
form.addEventListener("change", soon);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  ask();
});
