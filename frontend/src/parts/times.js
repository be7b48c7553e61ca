// Times in the reader's own zone. The server writes UTC; that stays as the title.
const FORMS = {
  minute: { hour: "2-digit", minute: "2-digit" },
  second: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  day: { day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" },
  now: { hour: "2-digit", minute: "2-digit", timeZoneName: "short" },
};

export function showTimes(root) {
  for (const time of root.querySelectorAll("time[data-show]")) {
    const form = FORMS[time.dataset.show];
    const utc = time.textContent;
    delete time.dataset.show;
    const at = new Date(time.dateTime);
    if (!form || Number.isNaN(at.getTime())) continue;
    const named = { hourCycle: "h23", ...form };
    const today = at.toDateString() === new Date().toDateString();
    if (form === FORMS.minute && !today) Object.assign(named, { day: "numeric", month: "short" });
    time.title = utc.includes("UTC") ? utc : `${utc} UTC`;
    const local = new Intl.DateTimeFormat("en-GB", named).format(at);
    time.textContent = form === FORMS.now && local !== utc ? `${local} (${utc})` : local;
  }
}
