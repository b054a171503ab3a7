/* What the pages are better with, and do not need: filter as you type, and a warning before
   leaving with unsaved changes. */
"use strict";

function filterAsYouType(input) {
  const list = document.getElementById(input.dataset.raftFilter);
  const rows = Array.from(list.querySelectorAll("[data-raft-row]"));
  const count = document.querySelector("[data-raft-count]");
  const none = document.querySelector("[data-raft-none]");
  const texts = rows.map((row) => row.closest("table").caption.textContent.concat(row.textContent).toLowerCase());
  const total = count ? count.textContent.replace(/^\D*\d+/, "") : "";

  function apply() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, place) => {
      row.hidden = !words.every((word) => texts[place].includes(word));
      shown += row.hidden ? 0 : 1;
    });
    list.querySelectorAll("table").forEach((table) => {
      table.hidden = !table.querySelector("[data-raft-row]:not([hidden])");
    });
    if (count) count.textContent = shown + total;
    if (none) none.hidden = shown > 0 || rows.length === 0;
  }
  input.addEventListener("input", apply);
}

function warnOfUnsavedChanges(form) {
  const content = () => new URLSearchParams(new FormData(form)).toString();
  const before = form.hasAttribute("data-raft-unsaved") ? null : content();
  let isSent = false;
  form.addEventListener("submit", () => { isSent = true; });
  window.addEventListener("pageshow", () => { isSent = false; });
  window.addEventListener("beforeunload", (event) => {
    if (isSent || content() === before) return;
    event.preventDefault();
    event.returnValue = form.dataset.raftGuard;
  });
}

document.querySelectorAll("[data-raft-filter]").forEach(filterAsYouType);
document.querySelectorAll("[data-raft-guard]").forEach(warnOfUnsavedChanges);
