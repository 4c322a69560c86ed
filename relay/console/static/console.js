// What makes pages livelier; all of them can be read and used without. Each part minds its own elements.
import { refreshTimes } from "./times.js";
import "./keys.js";
import "./copy.js";
import "./tail.js";

const EVERY_MS = 5000; // a page that stays open tells times as they are

setInterval(refreshTimes, EVERY_MS);
document.addEventListener("htmx:afterSwap", refreshTimes);
document.getElementById("problems")?.focus();
// On a narrow screen the navigation is a strip: the page that is shown is in sight.
document.querySelector(".side nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
