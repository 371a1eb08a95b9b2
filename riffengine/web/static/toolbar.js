// @ts-check
/** Toolbar: what must be within reach at any time: undo, next seeds, record, save what was heard, panic. */
import { button, make } from "./dom.js";

const ACTIONS = [["undo", "Undo"], ["redo", "Redo"], ["next", "Next seeds"]];
const SAVED_BARS = 8;
const REVOKE_MS = 60_000; // by then the browser has it

export class Toolbar {
  /**
   * @param {HTMLElement} root @param {import("./session.js").Session} session @param {import("./fields.js").Fields} fields
   * @param {(text: string, wrong?: boolean) => void} say
   */
  constructor(root, session, fields, say) {
    this.root = root;
    this.session = session;
    this.fields = fields;
    this.say = say;
    const href = `/save-last.flac?bars=${SAVED_BARS}`;
    this.save = make("a", { class: "button", id: "save", href, title: `Download the last ${SAVED_BARS} bars that were heard` }, `Save ${SAVED_BARS} bars`);
    this.save.addEventListener("click", (event) => {
      event.preventDefault(); // a browser would not show why there is no file
      void this.download(this.save.href);
    });
    this.record = button("Record", () => this.switchRecording(), { id: "record", "aria-pressed": "false" });
    this.panic = button("Panic", () => void session.control.set("panic", true), { id: "panic", "aria-pressed": "false" });
    session.on("figures", (figures) => this.show(figures));
  }

  build() {
    this.root.replaceChildren();
    for (const [path, words] of ACTIONS) {
      const field = this.fields.make(path, { words, compact: true });
      if (field) this.root.append(field);
    }
    this.place("record/start", this.record);
    this.root.append(this.save);
    this.place("panic", this.panic);
    this.fields.add("record/stop", this.record, () => {}, true);
  }

  /** @param {string} path @param {HTMLButtonElement} node */
  place(path, node) {
    if (!this.session.parameter(path) || !this.session.may(path)) return;
    node.title = this.session.parameter(path)?.help ?? "";
    const holder = make("div", { class: "field trigger", "data-path": path }, node);
    this.fields.add(path, holder, () => {}, true);
    this.root.append(holder);
  }

  /** Save what the server has at `address` under the server's name for it, or say why there is nothing. @param {string} address */
  async download(address) {
    const answer = await fetch(address).catch(() => null);
    if (!answer?.ok) {
      this.say(answer ? (await answer.text()).trim() : "the server is away; try again in a moment", true);
      return;
    }
    const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "riffengine.flac";
    const link = make("a", { href: URL.createObjectURL(await answer.blob()), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), REVOKE_MS);
  }

  switchRecording() {
    void this.session.control.set(this.record.ariaPressed === "true" ? "record/stop" : "record/start", true);
  }

  /** @param {import("./protocol.js").Figures} figures */
  show(figures) {
    const recording = Boolean(figures.facts?.recording);
    this.record.setAttribute("aria-pressed", String(recording));
    this.record.textContent = recording ? "Stop recording" : "Record";
    this.panic.setAttribute("aria-pressed", String(Boolean(figures.panicked)));
  }
}
