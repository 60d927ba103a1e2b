// A page that will be another one soon: it is taken anew until nothing of it waits any more.
const FIRST_MS = 700, MOST_MS = 10_000;
let wait = FIRST_MS;

async function look() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("#main");
    if (answer.ok && fresh && !fresh.querySelector("[data-waiting]")) {
      document.querySelector("#main").replaceWith(document.adoptNode(fresh));
      const told = document.querySelector("#pun .state") ?? document.querySelector("#main h1");
      document.querySelector("#announce").textContent = told.textContent.trim();
      return;
    }
  } catch { /* it may be back the next time */ }
  wait = Math.min(MOST_MS, wait * 1.3);
  setTimeout(look, wait);
}

setTimeout(look, wait);
