// @ts-check
/** The page for a projector behind the stage: the picture alone. A click or f fills the screen. */
import { Session } from "./session.js";
import { mount } from "./watch.js";

const session = new Session();
const element = /** @type {HTMLElement} */ (document.getElementById("watch"));
const { watch } = mount(element, session, { bare: true });
Object.assign(globalThis, { riffengine: { session, watch } });

/** Take the token out of the address, and get a cookie for it. */
async function logIn() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  if (!token) return;
  await fetch("/api/login", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }),
  });
}

async function fill() {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen();
    await navigator.wakeLock?.request("screen"); // a projector must not go dark
  } catch {
    // the browser does not allow it: the picture stays as it is
  }
}

document.addEventListener("click", fill);
document.addEventListener("keydown", (event) => {
  if (event.key === "f") fill();
});
logIn().then(() => session.control.connect());
watch.show(true);
