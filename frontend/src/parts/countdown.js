// Countdowns: `data-until` holds the end. Said aloud only when ten and two minutes are left, not each second; a tab in the
// background is woken seldom, so it is the crossing that counts, not the very second.
const LOUD = [10 * 60, 2 * 60];
const before = new WeakMap();
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
    const words = hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${two(minutes)}:${two(seconds)}`;
    if (place.textContent !== words) place.textContent = words;
    const box = place.closest(".countdown, .pill");
    box?.classList.toggle("warn", left <= LOUD[0] && left > LOUD[1]);
    box?.classList.toggle("danger", left <= LOUD[1]);
    const was = before.get(place) ?? left;
    before.set(place, left);
    for (const mark of LOUD) if (was > mark && left <= mark) say(`${Math.ceil(left / 60)} minutes left.`);
  }
}

function say(words) {
  const live = document.getElementById("said");
  if (live) live.textContent = words;
}
