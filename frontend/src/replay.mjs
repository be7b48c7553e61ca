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
let player;
let events = [];

function show(startAt, play = false) {
  player?.dispose();
  player = AsciinemaPlayer.create({ data: () => text }, place, {
    startAt,
    autoPlay: play,
    speed: Number(speed.value),
    idleTimeLimit: idle.checked ? 2 : undefined,
    fit: "width",
    terminalFontSize: "small",
    poster: `npt:${Math.max(startAt, 1)}`,
    markers: rows.map((row) => [Number(row.dataset.seek), row.querySelector("span").textContent]),
    theme: "asciinema",
  });
}

let text = "";
const answer = await fetch(place.dataset.cast);
if (answer.ok) {
  text = await answer.text();
  let at = 0;
  events = text
    .split("\n")
    .slice(1)
    .filter((line) => line.startsWith("["))
    .map((line) => JSON.parse(line))
    .map(([after, kind, data]) => ({ at: (at += after), kind, data }));
  show(Number(place.dataset.at));
} else {
  place.textContent = "The recording is not open any more: sign its statement again.";
}

const restart = async () => show(await player.getCurrentTime(), true);
speed.addEventListener("change", restart);
idle.addEventListener("change", restart);
for (const row of rows) {
  row.addEventListener("click", (event) => {
    event.preventDefault();
    player.seek(Number(row.dataset.seek));
    for (const other of rows) other.toggleAttribute("aria-current", other === row);
    history.replaceState(null, "", row.getAttribute("href"));
  });
}

// The next place after the present one where the words were shown; what an escape sequence draws apart is not joined.
find.addEventListener("keydown", async (event) => {
  if (event.key !== "Enter" || !find.value) return;
  event.preventDefault();
  const wanted = find.value.toLowerCase();
  const hits = events.filter(({ kind, data }) => kind === "o" && data.toLowerCase().includes(wanted));
  const now = await player.getCurrentTime();
  const next = hits.find(({ at }) => at > now) ?? hits[0];
  found.textContent = next ? `${hits.length} ${hits.length === 1 ? "place" : "places"}` : "Not found";
  if (next) player.seek(next.at + SHOWN);
});
