// Keeps open pages up to date, and adds what only a script can: times, copying, keys. All pages can
// be read and used without it. Texts get into the page as text only, never as markup of ours.
import { follow } from "./live.js";

const store = {
  get: (name) => { try { return localStorage.getItem(name); } catch { return null; } },
  set: (name, value) => { try { localStorage.setItem(name, value); } catch { /* private mode */ } },
};
const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

document.documentElement.classList.add("js");

// --- times ---------------------------------------------------------------------------------------
const UNITS = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1_000]];
const two = (number) => String(number).padStart(2, "0");

function relative(ms) {
  const away = Math.abs(Date.now() - ms);
  const [unit, size] = UNITS.find(([, least]) => away >= least) ?? ["s", 1_000];
  const text = `${Math.floor(away / size)} ${unit}`;
  return away < 1_000 ? "now" : ms > Date.now() ? `in ${text}` : `${text} ago`;
}

function local(ms) {
  const at = new Date(ms);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

const utc = (ms) => `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;

export function showTimes(root = document) {
  const how = store.get("times") ?? "utc";
  for (const element of all("time[data-ms]", root)) {
    const ms = Number(element.dataset.ms);
    const text = how === "relative" ? relative(ms) : how === "local" ? local(ms) : utc(ms);
    if (element.textContent !== text) element.textContent = text;
    element.title = how === "utc" ? relative(ms) : utc(ms);
  }
}

const times = $("#times");
if (times) {
  times.value = store.get("times") ?? "utc";
  times.addEventListener("change", () => { store.set("times", times.value); showTimes(); });
}
showTimes();
setInterval(() => { showTimes(); countDown(); }, 1_000);

// `<span data-until="ms">` counts down to a moment.
function countDown() {
  for (const element of all("[data-until]")) {
    const left = Math.max(0, Math.ceil((Number(element.dataset.until) - Date.now()) / 1_000));
    const hours = Math.floor(left / 3_600), minutes = Math.floor((left % 3_600) / 60);
    const text = hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min ${left % 60} s` : `${left} s`;
    element.textContent = left ? `in ${text}` : "any moment";
  }
}
countDown();

// --- copying -------------------------------------------------------------------------------------
export function announce(text) { const region = $("#announce"); if (region) region.textContent = text; }

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    announce("Copied");
    button.classList.add("is-done");
    setTimeout(() => button.classList.remove("is-done"), 1_200);
  } catch {
    announce("The browser does not let this page copy");
  }
});

// Forms that ask before they do something irreversible: <form data-confirm="…">.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset?.confirm;
  if (question && !confirm(question)) event.preventDefault();
});
// Empty fields of GET forms stay out of the address.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "get" || event.defaultPrevented) return;
  for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
});
addEventListener("pageshow", () => {
  for (const field of all("form[method=get] :disabled:not([data-disabled])")) field.disabled = false;
});

// --- keys ----------------------------------------------------------------------------------------
const help = $("#help");
$("#help-open")?.addEventListener("click", () => help.showModal());
let afterG = false;

function move(step) {
  const rows = all("tr[data-href]");
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("is-current"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, at === -1 ? (step > 0 ? 0 : rows.length - 1) : at + step))];
  for (const row of rows) row.classList.toggle("is-current", row === next);
  (next.querySelector("a") ?? next).focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (typing) { if (event.key === "Escape") event.target.blur(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || help?.open) return;
  if (afterG) {
    afterG = false;
    const link = $(`[data-go="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); location.href = link.href; }
    return;
  }
  const current = $("tr.is-current[data-href]");
  switch (event.key) {
    case "j": move(1); break;
    case "k": move(-1); break;
    case "g": afterG = true; setTimeout(() => { afterG = false; }, 1_500); break;
    case "/": { const field = $("[data-search]"); if (!field) return; field.closest("details")?.setAttribute("open", ""); field.focus(); field.select?.(); break; }
    case "?": help?.showModal(); break;
    case "p": $("#live-pause")?.click(); break;
    case "Enter": if (!current || event.target.closest("a, button, summary")) return; location.href = current.dataset.href; break;
    default: return;
  }
  event.preventDefault();
});

follow({ announce, refreshed: (root) => { showTimes(root); countDown(); } });
