// The live tail: the stream says that something is new, and the server draws the list again. The stream may be ahead of
// the history that the list is drawn from: it is drawn again a few times, further and further apart.
const DRAWN_MS = [500, 1500, 3000, 8000];
const STEADY_MS = 10000; // and now and then in any case: a history that was held up comes on by itself

const list = document.querySelector("[data-tail]");
if (list) {
  const state = document.getElementById("tail-state");
  const stream = new EventSource(list.dataset.tail);
  let timers = [];
  const draw = () => {
    const ticked = document.querySelector("#listing input:checked");
    if (document.hidden || ticked) return; // nobody looks, or somebody is choosing among what is shown
    const how = { source: "#listing", target: "#listing", select: "#listing", swap: "outerHTML" };
    window.htmx.ajax("GET", location.pathname + location.search, how);
  };
  const news = () => {
    timers.slice(1).forEach(clearTimeout); // the first stays: a flood of news does not put it off for ever
    const [first] = timers;
    timers = [first ?? setTimeout(() => { timers[0] = undefined; draw(); }, DRAWN_MS[0])];
    for (const ms of DRAWN_MS.slice(1)) timers.push(setTimeout(draw, ms));
  };
  for (const kind of ["result", "missed"]) stream.addEventListener(kind, news);
  stream.onopen = () => {
    state.textContent = "Live";
    news(); // what came between the page and the stream
  };
  stream.onerror = () => {
    state.textContent = "Connecting…";
  };
  setInterval(draw, STEADY_MS);
  window.addEventListener("pagehide", () => stream.close());
}
