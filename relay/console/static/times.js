// Relative times stay right while a page is open; the words are those of the server (pages/words.py).
const UNITS = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"]];

export function relative(atMs, nowMs) {
  const apart = Math.abs(nowMs - atMs);
  for (const [unitMs, unit] of UNITS) {
    if (apart >= unitMs) {
      const spoken = `${Math.floor(apart / unitMs)} ${unit}`;
      return atMs <= nowMs ? `${spoken} ago` : `in ${spoken}`;
    }
  }
  return "now";
}

export function refreshTimes() {
  const nowMs = Date.now();
  for (const one of document.querySelectorAll("time[data-relative]")) {
    const text = relative(Date.parse(one.dateTime), nowMs);
    if (one.textContent !== text) one.textContent = text;
  }
}
