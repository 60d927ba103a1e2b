// The preview as you type: the page is asked for anew with the text so far, and its preview is
// taken from it. A later question ends an earlier one. A pun is sent once, however often one clicks.
const PAUSE_MS = 220;
const form = document.querySelector("#new-pun");
const field = document.querySelector("#text");
const counter = document.querySelector("#counter");
const most = Number(field.maxLength);
let asking = null, timer = null, shown = field.value.trim();

document.documentElement.classList.add("js");

async function look() {
  const text = field.value.trim();
  asking?.abort();
  if (text === shown) return;
  const mine = new AbortController();
  asking = mine;
  const preview = document.querySelector("#preview");
  preview.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(`/new?${new URLSearchParams({ text })}`, { signal: mine.signal, headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("#preview");
    if (mine.signal.aborted) return;
    if (fresh) {
      preview.replaceWith(document.adoptNode(fresh));
      shown = text;
      say(fresh.querySelector("[data-hint]")?.textContent.trim() ?? "");
    } else {
      say(page.querySelector("main p")?.textContent ?? "");
      later(2_000); // too fast: the page says so
    }
  } catch (error) {
    if (error.name !== "AbortError") say("The site does not answer.");
  } finally {
    if (asking === mine) { asking = null; document.querySelector("#preview").removeAttribute("aria-busy"); }
  }
}

function say(text) { document.querySelector("#announce").textContent = text; }
function later(ms) { clearTimeout(timer); timer = setTimeout(look, ms); }
function count() { counter.textContent = `${field.value.trim().length} of ${most}`; }

field.addEventListener("input", () => { count(); later(PAUSE_MS); });
form.addEventListener("submit", () => {
  asking?.abort();
  clearTimeout(timer);
  // After this event: a button that is disabled within it would stop the form.
  setTimeout(() => { for (const button of form.querySelectorAll("button")) button.disabled = true; });
});
addEventListener("pageshow", () => {
  for (const button of form.querySelectorAll("button")) button.disabled = false;
  count();
  look();
});
count();
