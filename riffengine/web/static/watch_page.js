// @ts-check
/** The page for a projector behind the stage: the picture alone. A click or f fills the screen. */
import { logIn } from "./log_in.js";
import { Session } from "./session.js";
import { mount } from "./watch.js";

const session = new Session();
const element = /** @type {HTMLElement} */ (document.getElementById("watch"));
const { watch } = mount(element, session, { bare: true });
Object.assign(globalThis, { riffengine: { session, watch } });

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
void logIn().then(() => session.control.connect());
watch.show(true);
