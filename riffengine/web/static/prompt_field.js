// @ts-check
/**
 * PromptField: a text field for a prompt, with words of the model to complete it, and the nearest word for one that the
 * model does not know. Enter sets the prompt; arrows choose a word, and Tab or Enter takes it.
 */
import { make } from "./dom.js";

const SUGGEST_AFTER_MS = 120;
const MOST_SHOWN = 6;
let numbers = 0;

export class PromptField {
  /** @param {import("./session.js").Session} session @param {string} words the label @param {(text: string) => void} commit */
  constructor(session, words, commit) {
    this.session = session;
    this.commit = commit;
    this.listId = `words-${++numbers}`;
    this.chosen = -1;
    this.timer = 0;
    this.input = make("input", {
      type: "text", maxlength: 400, autocomplete: "off", autocapitalize: "off", spellcheck: "false", enterkeyhint: "send",
      role: "combobox", "aria-expanded": "false", "aria-autocomplete": "list", "aria-controls": this.listId, "aria-label": words,
    });
    this.list = make("div", { class: "suggestions", role: "listbox", id: this.listId, "aria-label": `Words for ${words}`, hidden: true });
    this.hint = make("p", { class: "unknown", role: "status" });
    this.node = make("div", { class: "prompt" }, this.input, this.list, this.hint);
    this.input.addEventListener("change", () => this.send());
    this.input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.suggest(), SUGGEST_AFTER_MS);
    });
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => this.close());
  }

  /** Show what is set, unless somebody is typing here. @param {string} text */
  show(text) {
    if (document.activeElement !== this.input) this.input.value = text;
  }

  send() {
    this.close();
    this.commit(this.input.value);
    void this.nearest();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const options = /** @type {HTMLElement[]} */ ([...this.list.children]);
    const open = options.length > 0 && !this.list.hidden;
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.choose((this.chosen + step + options.length + (this.chosen < 0 && step < 0 ? 1 : 0)) % options.length);
    } else if (open && this.chosen >= 0 && (event.key === "Enter" || event.key === "Tab")) {
      this.take(options[this.chosen].textContent ?? "");
    } else if (open && event.key === "Escape") {
      this.close();
    } else return;
    event.preventDefault();
  }

  /** @param {number} index */
  choose(index) {
    this.chosen = index;
    [...this.list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === index)));
    this.input.setAttribute("aria-activedescendant", `${this.listId}-${index}`);
  }

  /** Complete the last word. @param {string} word */
  take(word) {
    this.input.value = this.input.value.replace(/[^\s,]*$/, word);
    this.close();
    this.input.focus();
  }

  async suggest() {
    const asked = this.input.value;
    const answer = await this.session.control.ask({ type: "suggest", text: asked });
    if (answer.type !== "suggestions" || document.activeElement !== this.input || this.input.value !== asked) return;
    const near = answer.unknown.filter(({ word }) => asked.trimEnd().endsWith(word)).flatMap(({ close }) => close);
    const last = /[^\s,]*$/.exec(asked)?.[0].toLowerCase() ?? "";
    const words = [...new Set([...answer.words, ...near])].filter((word) => word.toLowerCase() !== last).slice(0, MOST_SHOWN);
    this.chosen = -1;
    this.input.removeAttribute("aria-activedescendant");
    this.list.replaceChildren(...words.map((word, i) => {
      const option = make("div", { role: "option", id: `${this.listId}-${i}`, "aria-selected": "false" }, word);
      option.addEventListener("pointerdown", (event) => {
        event.preventDefault(); // the field keeps the cursor, and does not send what is half typed
        this.take(word);
      });
      return option;
    }));
    this.list.hidden = words.length === 0;
    this.input.setAttribute("aria-expanded", String(words.length > 0));
  }

  /** Say which words of the prompt the model does not know, and what is near to them. */
  async nearest() {
    const answer = await this.session.control.ask({ type: "suggest", text: this.input.value });
    if (answer.type !== "suggestions") return;
    const parts = answer.unknown.map(({ word, close }) => `“${word}” is no word of the model${close.length ? `; near: ${close.join(", ")}` : ""}`);
    this.hint.textContent = parts.join(". ");
  }

  close() {
    this.list.hidden = true;
    this.list.replaceChildren();
    this.chosen = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}
