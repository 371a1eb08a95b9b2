// @ts-check
/**
 * Parts: Play, Watch and Draw, of which one is shown. Watch and Draw are loaded when they are first shown.
 *
 * @typedef {import("./session.js").Part} Part
 */

/** @type {Record<string, () => Promise<{mount: (element: HTMLElement, session: import("./session.js").Session) => Part|void}>>} */
const MODULES = {
  watch: () => import("./watch.js"),
  draw: () => import("./draw.js"),
};

export class Parts {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    /** @type {Map<string, Part>} those that are loaded */
    this.mounted = new Map();
    this.shown = "play";
    /** @type {HTMLButtonElement[]} */
    this.buttons = [...document.querySelectorAll("button[data-part]")].map((b) => /** @type {HTMLButtonElement} */ (b));
    for (const button of this.buttons) button.addEventListener("click", () => this.show(button.dataset.part ?? "play"));
  }

  /** Show one part and hide the others. @param {string} name */
  async show(name) {
    if (name === this.shown) return;
    this.mounted.get(this.shown)?.show?.(false);
    this.shown = name;
    for (const button of this.buttons) {
      const part = button.dataset.part ?? "";
      button.setAttribute("aria-pressed", String(part === name));
      const section = document.getElementById(part);
      if (section) section.hidden = part !== name;
    }
    const section = document.getElementById(name);
    if (section && MODULES[name] && !this.mounted.has(name)) {
      try {
        const { mount } = await MODULES[name]();
        if (!this.mounted.has(name)) this.mounted.set(name, mount(section, this.session) ?? {});
      } catch (error) { // a browser asks for a script once
        section.textContent = "This part could not be loaded: reload the page.";
        throw error;
      }
    }
    if (this.shown === name) this.mounted.get(name)?.show?.(true);
  }
}
