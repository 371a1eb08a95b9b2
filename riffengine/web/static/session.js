// @ts-check
/**
 * Session: what every part of the page shares: the control socket, the sound, the clock, and what the server has told so far.
 *
 * A part is a module that exports `mount(element, session)`. It fills `element`, listens with `session.on(type, act)` to the
 * messages of docs/web_protocol.md (and `connected`, with the welcome, and `disconnected`), and reads `session.welcome` and
 * `session.values`. `mount` may return `{show(visible)}`: it is told when the part is shown and hidden.
 *
 * @typedef {import("./protocol.js").Welcome} Welcome
 * @typedef {import("./protocol.js").Value} Value
 * @typedef {{show?: (visible: boolean) => void}} Part
 */
import { Control } from "./protocol.js";
import { Listen } from "./listen.js";
import { StageClock } from "./stage_clock.js";

export class Session {
  constructor() {
    this.control = new Control();
    this.listen = new Listen();
    this.clock = new StageClock(this.listen);
    /** @type {Welcome|null} the last one; null before the first */
    this.welcome = null;
    /** @type {Record<string, Value>} the newest value of every parameter, by path */
    this.values = {};
    /** @type {Map<string, import("./protocol.js").Parameter>} */
    this.parameters = new Map();
    this.on("connected", (/** @type {Welcome} */ welcome) => {
      this.welcome = welcome;
      this.values = { ...welcome.values };
      this.take(welcome.schema);
      this.clock.take(welcome.sample_rate, welcome.grid, welcome.figures.frame ?? 0);
    });
    this.on("schema", (message) => this.take(message.schema));
    this.on("changes", (changes) => Object.assign(this.values, changes.values));
    this.on("figures", (figures) => this.clock.take(this.clock.rate, figures.grid, figures.frame));
  }

  /** @param {import("./protocol.js").Parameter[]} schema */
  take(schema) {
    this.parameters = new Map(schema.map((parameter) => [parameter.path, parameter]));
  }

  /** Every parameter, in the order of the tree. */
  get schema() {
    return [...this.parameters.values()];
  }

  /** @param {string} path */
  parameter(path) {
    return this.parameters.get(path);
  }

  /** Whether this page may set the parameter at `path`. @param {string} path */
  may(path) {
    const { role, guest } = this.welcome ?? { role: "listener", guest: [] };
    return role === "performer" || (role === "guest" && guest.includes(path));
  }

  /** Call `act` with every message of `type`. @param {string} type @param {(message: any) => void} act */
  on(type, act) {
    this.control.addEventListener(type, (event) => act(/** @type {CustomEvent} */ (event).detail));
  }
}
