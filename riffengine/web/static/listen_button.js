// @ts-check
/** ListenButton: the sound of the set in this page, on and off, and how far behind the engine it is. */
import { element } from "./dom.js";

export class ListenButton {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    this.button = /** @type {HTMLButtonElement} */ (element("listen"));
    this.line = element("sound");
    this.button.addEventListener("click", () => void this.toggle());
    session.listen.addEventListener("played", () => this.show());
    session.listen.addEventListener("changed", () => {
      if (!session.listen.on) this.line.textContent = "";
      if (session.listen.element) this.line.textContent = "some seconds late: in phase needs HTTPS or this machine";
    });
  }

  async toggle() {
    const { listen, welcome } = this.session;
    this.button.disabled = true;
    try {
      if (listen.on) await listen.stop();
      else if (welcome) {
        const asked = new URLSearchParams(location.search).get("codec"); // ?codec=pcm: exact to the sample, 1.4 Mbit/s
        await listen.start(asked ? [asked] : welcome.codecs, welcome.sample_rate);
      }
    } catch (error) {
      await listen.stop();
      this.line.textContent = `no sound: ${/** @type {Error} */ (error).message}`;
    }
    this.button.disabled = false;
    this.button.textContent = listen.on ? "Stop" : "Listen";
    this.button.setAttribute("aria-label", listen.on ? "Stop listening" : "Listen");
    this.button.setAttribute("aria-pressed", String(listen.on));
  }

  show() {
    const { played, context } = this.session.listen;
    if (!played?.started) return;
    const behind = `${Math.round((1000 * played.fill) / (context?.sampleRate ?? 1))} ms behind`;
    const text = played.shift > 0 ? "repeating a loop: the network is late" : behind;
    if (this.line.textContent !== text) this.line.textContent = text;
  }
}
