/* Looks again every few seconds, and puts only what is new in the place of what was; without it
   the page is as complete, and is reloaded by hand. */
"use strict";

const SECONDS = 3;
const live = document.getElementById("raft-live");
const state = document.getElementById("raft-live-state");
const pause = document.getElementById("raft-live-pause");
const news = document.getElementById("raft-live-news");
let isPaused = false;
let isAsking = false;

function tell(word) {
  state.textContent = state.dataset[word];
  state.classList.toggle("raft-lost", word === "raftLost");
}

function headline() {
  const found = document.getElementById("raft-headline");
  return found ? found.textContent.trim() : "";
}

/* What the reader is doing stays: where the focus is, how far a list is scrolled. */
function replace(text) {
  const before = headline();
  const focused = document.activeElement && live.contains(document.activeElement) ? document.activeElement.id : "";
  const scrolled = Array.from(live.querySelectorAll("[tabindex][id]")).map((each) => [each.id, each.scrollTop, each.scrollLeft]);
  const fresh = new DOMParser().parseFromString(text, "text/html").body;
  live.replaceChildren(...fresh.childNodes);
  scrolled.forEach(([id, top, left]) => {
    const found = document.getElementById(id);
    if (found) found.scrollTo(left, top);
  });
  const again = focused && document.getElementById(focused);
  if (again) again.focus({ preventScroll: true });
  if (headline() !== before) news.textContent = headline();
}

async function look() {
  if (isPaused || isAsking || document.hidden) return;
  isAsking = true;
  try {
    const response = await fetch(live.dataset.raftLive, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (response.redirected) window.location.reload(); // to the login
    if (!response.ok) throw new Error(String(response.status));
    const text = await response.text();
    if (!isPaused) {
      replace(text);
      tell("raftFresh");
    }
  } catch {
    tell("raftLost");
  } finally {
    isAsking = false;
  }
}

pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.setAttribute("aria-pressed", String(isPaused));
  tell(isPaused ? "raftPaused" : "raftFresh");
  look();
});

pause.hidden = false;
tell("raftFresh");
setInterval(look, SECONDS * 1000);
