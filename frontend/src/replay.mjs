// Playback: asciinema-player over the recording that this sign-in opened, with the log's rows as markers.
import "asciinema-player/dist/bundle/asciinema-player.css";
import * as AsciinemaPlayer from "asciinema-player";

const place = document.getElementById("player");
const speed = document.getElementById("speed");
const idle = document.getElementById("idle");
const find = document.getElementById("find");
const found = document.getElementById("found");
const rows = [...document.querySelectorAll("[data-seek]")];
// A seek stops before what happens at that very moment.
const SHOWN = 0.05;
const IDLE = 2;
// The last picture stays for a moment: the player shows nothing when it is sent past its end.
const AFTERWARDS = 1;
let player;
let header = "";
let events = [];

// Skipping idle shortens the recording before the player sees it, so that rows, markers, search and `?t=`, which are in
// real time, all go through the same two maps.
let times = { real: [0], shown: [0] };

function shorten() {
  const most = idle.checked ? IDLE : Infinity;
  times = { real: [0], shown: [0] };
  const lines = events.map(({ at, kind, data }, n) => {
    const after = Math.min(at - (n ? events[n - 1].at : 0), most);
    times.real.push(at);
    times.shown.push(times.shown[n] + after);
    return JSON.stringify([Number(after.toFixed(6)), kind, data]);
  });
  lines.push(JSON.stringify([AFTERWARDS, "o", ""]));
  return [header, ...lines, ""].join("\n");
}

function mapped(from, to, at) {
  let n = from.findLastIndex((one) => one <= at);
  if (n < 0) n = 0;
  const room = n + 1 < to.length ? to[n + 1] - to[n] : Infinity;
  return to[n] + Math.min(at - from[n], room);
}
const shownAt = (real) => mapped(times.real, times.shown, real);
const realAt = (shown) => mapped(times.shown, times.real, shown);

function show(real, play = false) {
  player?.dispose();
  const data = shorten();
  const startAt = shownAt(real);
  player = AsciinemaPlayer.create({ data: () => data }, place, {
    startAt,
    autoPlay: play,
    speed: Number(speed.value),
    fit: "width",
    terminalFontSize: "small",
    markers: rows.map((row) => [shownAt(Number(row.dataset.seek)), row.querySelector("span").textContent]),
    theme: "asciinema",
  });
  // A poster would do that, but with one the player draws nothing when it is sent to a moment before the poster's.
  const first = events.find(({ kind }) => kind === "o");
  if (!play && first) player.seek(Math.max(startAt, shownAt(first.at)) + SHOWN);
}

const answer = await fetch(place.dataset.cast);
if (answer.ok) {
  const lines = (await answer.text()).split("\n");
  header = lines[0];
  let at = 0;
  events = lines
    .slice(1)
    .filter((line) => line.startsWith("["))
    .map((line) => JSON.parse(line))
    .map(([after, kind, data]) => ({ at: (at += after), kind, data }));
  show(Number(place.dataset.at));
} else {
  place.textContent = "The recording is not open any more: sign its statement again.";
}

const restart = async () => {
  const shown = await player.getCurrentTime();
  const real = realAt(shown); // by the maps of how it was shown until now
  show(real, true);
};
speed.addEventListener("change", restart);
idle.addEventListener("change", restart);
for (const row of rows) {
  row.addEventListener("click", (event) => {
    event.preventDefault();
    player.seek(shownAt(Number(row.dataset.seek)));
    for (const other of rows) other.toggleAttribute("aria-current", other === row);
    history.replaceState(null, "", row.getAttribute("href"));
  });
}

// The next place after the present one where the words were shown; what an escape sequence draws apart is not joined.
find.addEventListener("keydown", async (event) => {
  if (event.key !== "Enter" || !find.value) return;
  event.preventDefault();
  const wanted = find.value.toLowerCase();
  const hits = events
    .filter(({ kind, data }) => kind === "o" && data.toLowerCase().includes(wanted))
    .map(({ at }) => shownAt(at));
  const now = await player.getCurrentTime();
  const next = hits.find((at) => at > now) ?? hits[0];
  found.textContent = next === undefined ? "Not found" : `${hits.length} ${hits.length === 1 ? "place" : "places"}`;
  if (next !== undefined) player.seek(next + SHOWN);
});
