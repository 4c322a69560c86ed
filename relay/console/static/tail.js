// The live tail: the stream says that something is new, and the server draws the list again, at most so often.
const LEAST_MS = 700;

const list = document.querySelector("[data-tail]");
if (list) {
  const state = document.getElementById("tail-state");
  const stream = new EventSource(list.dataset.tail);
  let waiting = false;
  const draw = () => {
    waiting = false;
    const ticked = document.querySelector("#listing input:checked");
    if (document.hidden || ticked) return; // nobody looks, or somebody is choosing among what is shown
    window.htmx.ajax("GET", location.pathname + location.search, { target: "#listing", select: "#listing", swap: "outerHTML" });
  };
  const news = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(draw, LEAST_MS);
  };
  stream.onmessage = news;
  stream.addEventListener("result", news);
  stream.onopen = () => {
    state.textContent = "Live";
    news(); // what came between the page and the stream
  };
  stream.onerror = () => { state.textContent = "Connecting…"; };
  window.addEventListener("pagehide", () => stream.close());
}
