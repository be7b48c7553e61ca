// Countdowns: `data-until` holds the end. Said aloud only at ten and at two minutes, not each second.
const LOUD = [10 * 60, 2 * 60];
let ticking = null;

export function countDown(root) {
  if (root.querySelector("[data-until]") && !ticking) ticking = setInterval(tick, 1000);
  tick();
}

function tick() {
  for (const place of document.querySelectorAll("[data-until]")) {
    const left = Math.max(0, Math.floor((new Date(place.dataset.until) - Date.now()) / 1000));
    const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
    const two = (n) => String(n).padStart(2, "0");
    place.textContent = hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${two(minutes)}:${two(seconds)}`;
    const box = place.closest(".countdown, .pill");
    box?.classList.toggle("warn", left <= LOUD[0] && left > LOUD[1]);
    box?.classList.toggle("danger", left <= LOUD[1]);
    if (LOUD.includes(left)) say(`${left / 60} minutes left.`);
  }
}

function say(words) {
  const live = document.getElementById("said");
  if (live) live.textContent = words;
}
