// What every page has: times in the reader's own zone.

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = time.textContent;
    time.textContent = day.format(at);
  }
}

localise(document);
document.addEventListener("htmx:afterSettle", () => localise(document));
document.addEventListener("seatrial:refreshed", () => localise(document));
