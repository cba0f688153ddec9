// The instructor's pages: times in the reader's zone, and whether what is shown is still asked for.
"use strict";

(() => {
  const format = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

  function localTimes() {
    for (const time of document.querySelectorAll("time[data-moment]")) {
      time.textContent = format.format(new Date(time.dateTime));
      time.removeAttribute("data-moment");
    }
  }

  function say(text, kind) {
    const said = document.getElementById("said");
    if (!said || said.textContent === text) return;
    said.textContent = text;
    said.className = "badge " + kind;
    said.hidden = false;
  }

  // While somebody reads a student's page, the tasks are judged as the student works: the stream keeps them so, and says
  // when to ask for them anew.
  const watched = document.querySelector("[data-events]");
  let stream = null;
  function watch() {
    if (document.hidden) {
      stream?.close();
      stream = null;
    } else if (!stream) {
      stream = new EventSource(watched.dataset.events);
      for (const name of ["tasks", "session"]) {
        stream.addEventListener(name, () => htmx.trigger("#tasks-now", "news"));
      }
    }
  }
  if (watched) {
    watch();
    document.addEventListener("visibilitychange", watch);
  }

  localTimes();
  document.body.addEventListener("htmx:afterSettle", localTimes);
  // A tab that nobody looks at asks nothing.
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden) event.preventDefault();
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const status = event.detail.xhr.status;
    if (status === 200 || status === 204) say("live", "live");
    else if (status === 401 || status === 403) say("signed out: reload the page", "bad");
    else say("no answer, trying again", "warn");
  });
})();
