// `/` goes to the search, `j` and `k` through the rows of a list; never while somebody types, and never with a modifier.
const TYPING = "input:not([type=checkbox]):not([type=radio]), textarea, select";

function move(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const links = rows.map((row) => row.querySelector("a")).filter(Boolean);
  if (!links.length) return;
  const here = links.findIndex((link) => link.closest("[data-row]").contains(document.activeElement));
  const next = here === -1 ? (step > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, here + step));
  links[next].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(TYPING)) return;
  const search = document.querySelector("[data-search]");
  if (event.key === "/" && search) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "j" || event.key === "k") {
    event.preventDefault();
    move(event.key === "j" ? 1 : -1);
  }
});

// A box above a list ticks all of it.
document.addEventListener("change", (event) => {
  const all = event.target.closest?.("[data-ticks]");
  if (!all) return;
  for (const box of document.querySelectorAll(`input[name="${all.dataset.ticks}"]:not([disabled])`)) box.checked = all.checked;
});
