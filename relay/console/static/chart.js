// Draws the figures of a table with uPlot: the table is what is read where there is no script.
const HEIGHT = 220;

function colour(box, name) {
  return getComputedStyle(box.querySelector(`.probe-${name}`)).color;
}

function read(table) {
  const rows = [...table.tBodies[0].rows];
  const column = (number) => rows.map((row) => Number(row.cells[number].textContent));
  return { at: rows.map((row) => Number(row.dataset.at)), good: column(1), bad: column(2), wait: column(3) };
}

const two = (number) => String(number).padStart(2, "0");

// Hours as everywhere here, in UTC; a new day says which, in so few letters that two fit side by side.
function labels(_, splits) {
  let day = "";
  return splits.map((at) => {
    const date = new Date(at * 1000);
    const here = `${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
    const label = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}${here === day ? "" : `\n${here}`}`;
    day = here;
    return label;
  });
}

function draw(box) {
  const { at, good, bad, wait } = read(document.getElementById(box.dataset.table));
  const goodBad = good.map((value, index) => value + bad[index]);
  const all = goodBad.map((value, index) => value + wait[index]);
  const style = getComputedStyle(document.body);
  const ink = getComputedStyle(document.querySelector(".age")).color;
  const line = getComputedStyle(box.closest(".card")).borderTopColor;
  const bars = window.uPlot.paths.bars({ size: [0.72, 64], gap: 1 });
  const series = (label, name, values) => ({
    label,
    fill: colour(box, name),
    stroke: colour(box, name),
    width: 0,
    points: { show: false },
    paths: bars,
    value: (_, __, ___, index) => (index === null || index === undefined ? "–" : String(values[index])),
  });
  const font = `12px ${style.fontFamily}`;
  const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const step = at.length > 1 ? at[1] - at[0] : 60;
  const most = Math.max(4, ...all);
  const plot = new window.uPlot(
    {
      width: box.clientWidth,
      height: HEIGHT,
      tzDate: (ts) => window.uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
      scales: { x: { range: [at[0] - step / 2, at[at.length - 1] + step / 2] }, y: { range: [0, most * 1.05] } },
      axes: [{ ...axis, grid: { show: false }, space: 70, values: labels }, { ...axis, size: 48, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7] }],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      series: [{}, series("Put off or dropped", "wait", wait), series("Failed", "bad", bad), series("Delivered", "good", good)],
    },
    [at, all, goodBad, good],
    box,
  );
  return plot;
}

for (const box of document.querySelectorAll(".chart")) {
  let plot = draw(box);
  new ResizeObserver(() => {
    if (box.clientWidth && box.clientWidth !== plot.width) plot.setSize({ width: box.clientWidth, height: HEIGHT });
  }).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    plot.destroy();
    plot = draw(box);
  });
}
