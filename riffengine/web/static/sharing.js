// @ts-check
/** Sharing: the present moment as a link and a QR code, and the moment of the link by which this page was opened. */
import { button, make } from "./dom.js";
import { drawQr } from "./qr.js";

const CODE_PIXELS = 320;

export class Sharing {
  /** @param {HTMLElement} root @param {import("./session.js").Session} session @param {(text: string, wrong?: boolean) => void} say */
  constructor(root, session, say) {
    this.session = session;
    this.say = say;
    this.moment = ""; // of the link that was opened, until it is set
    this.result = make("div", { class: "shared" });
    this.button = button("Make a link of this moment", () => void this.share(), { id: "share" });
    root.replaceChildren(this.button, this.result);
  }

  async share() {
    const answer = await this.session.control.ask({ type: "share" });
    if (answer.type !== "shared") return;
    const link = `${location.origin}${location.pathname}#moment=${encodeURIComponent(answer.text)}`;
    const canvas = make("canvas", { role: "img", "aria-label": "QR code of the link" });
    const drawn = drawQr(canvas, link, CODE_PIXELS);
    const field = make("input", { type: "text", readonly: true, value: link, "aria-label": "Link of this moment" });
    field.addEventListener("focus", () => field.select());
    const notes = answer.notes.map((note) => make("li", {}, note));
    this.result.replaceChildren(
      make("div", { class: "field copy" }, field, button("Copy", () => void this.copy(field), { "aria-label": "Copy the link" })),
      ...(drawn ? [canvas] : [make("p", { class: "soft" }, "The link is too long for a QR code.")]),
      ...(notes.length ? [make("p", { class: "soft" }, "Not in the link:"), make("ul", {}, ...notes)] : []),
    );
    await this.copy(field);
  }

  /** @param {HTMLInputElement} field */
  async copy(field) {
    try {
      await navigator.clipboard.writeText(field.value); // a page over plain http has no clipboard
      this.say("The link is in the clipboard.");
    } catch {
      field.focus();
      field.select();
      this.say("The link is selected: copy it, or show the code to a camera.");
    }
  }

  /** Set what the opened link holds, and say whether the loops are the same here. */
  async open() {
    if (!this.moment) return;
    const text = this.moment;
    this.moment = "";
    const answer = await this.session.control.ask({ type: "open", text });
    if (answer.type !== "opened") return;
    const notes = answer.notes.join("; ");
    this.say(answer.same ? `The moment of this link: the same loops as where it was made${notes ? ` (${notes})` : ""}.` : `The moment of this link, but not the same loops: ${notes}.`, !answer.same);
  }
}
