// Light or dark: what the system says, until the button is pressed. Loaded in the head, so that no page flashes.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const stored = () => {
    try {
      return localStorage.getItem("seatrial.theme");
    } catch {
      return null; // A browser that keeps nothing follows the system.
    }
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const current = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const apply = () => {
    const theme = stored();
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    const button = document.querySelector(".theme");
    if (button) button.setAttribute("aria-label", current() === "dark" ? "Light colours" : "Dark colours");
    document.dispatchEvent(new CustomEvent("seatrial:theme", { detail: { theme: current() } }));
  };
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.querySelector(".theme")?.addEventListener("click", () => {
      const wanted = current() === "dark" ? "light" : "dark";
      try {
        localStorage.setItem("seatrial.theme", wanted);
      } catch {
        root.dataset.theme = wanted;
        return;
      }
      apply();
    });
  });
  dark.addEventListener("change", apply);
  addEventListener("storage", (event) => event.key === "seatrial.theme" && apply());
})();
