// @ts-check
/** Together: what guests ask for, the performer's answer, and the codes by which others open the page. */
import { button, make } from "./dom.js";
import { PromptField } from "./prompt_field.js";
import { drawQr } from "./qr.js";

const CODE_PIXELS = 220;
/** @type {Record<string, string>} */
const MAY = {
  performer: "may do everything", guest: "votes for prompts, and sets what the preset allows", listener: "listens and watches",
};

export class Together {
  /** @param {HTMLElement} root @param {import("./session.js").Session} session @param {(text: string, wrong?: boolean) => void} say */
  constructor(root, session, say) {
    this.session = session;
    this.say = say;
    this.wish = new PromptField(session, "Prompt that you would like to hear", (text) => this.vote(text));
    this.wish.input.id = "wish";
    this.wish.input.placeholder = "What would you like to hear?";
    this.ask = make("div", { class: "field wish" }, this.wish.node, button("Vote", () => this.vote(this.wish.input.value), { id: "vote" }));
    this.wishes = make("ul", { class: "wishes", "aria-label": "Prompts that guests vote for" });
    this.voters = make("p", { class: "soft" });
    this.codes = make("div", { class: "codes" });
    this.invite = button("Show codes for phones", () => void this.showCodes(), { id: "invite", "aria-expanded": "false" });
    root.replaceChildren(this.ask, this.wishes, this.voters, this.invite, this.codes);
    /** @type {import("./protocol.js").VotesMessage} */
    this.votes = { type: "votes", prompts: [], voters: 0 };
    session.on("votes", (votes) => {
      this.votes = votes;
      this.show();
    });
  }

  build() {
    const role = this.session.welcome?.role;
    this.ask.hidden = role !== "guest"; // a performer plays what they wish
    this.invite.hidden = role !== "performer";
    this.codes.replaceChildren();
    this.show();
  }

  show() {
    const performs = this.session.welcome?.role === "performer";
    const decks = [...new Set(this.session.schema.filter((p) => p.deck && p.control === "prompt").map((p) => p.deck))];
    this.wishes.replaceChildren(...this.votes.prompts.map(({ text, votes }) => {
      const line = make("li", {}, make("span", { class: "count" }, String(votes)), make("span", { class: "text" }, text));
      if (performs) {
        line.append(make("div", { class: "chips" }, ...decks.map((deck) =>
          button(`Play on ${deck.toUpperCase()}`, () => void this.accept(text, deck), { "aria-label": `Play on ${deck.toUpperCase()}: ${text}` }))));
      } else if (!this.ask.hidden) {
        line.append(button("Vote", () => this.vote(text), { "aria-label": `Vote for ${text}` }));
      }
      return line;
    }));
    const { voters } = this.votes;
    this.voters.textContent = voters ? `${voters} ${voters === 1 ? "person votes" : "people vote"}` : performs ? "No votes yet." : "Nobody has voted yet.";
  }

  /** @param {string} text */
  vote(text) {
    if (!text.trim()) return;
    this.session.control.tell({ type: "vote", text });
    this.wish.input.value = "";
  }

  /** @param {string} text @param {string} deck */
  async accept(text, deck) {
    await this.session.control.ask({ type: "accept", text, path: `deck/${deck}/prompt` });
  }

  async showCodes() {
    if (this.codes.children.length) {
      this.codes.replaceChildren();
      this.invite.setAttribute("aria-expanded", "false");
      return;
    }
    const answer = await this.session.control.ask({ type: "invite" });
    if (answer.type !== "invited") return;
    this.invite.setAttribute("aria-expanded", "true");
    if (!answer.address) {
      this.codes.replaceChildren(make("p", { class: "soft" }, "This page is open to this machine alone. Start with --web-bind 0.0.0.0 --web-tokens, and phones can open it."));
      return;
    }
    const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
    const host = local ? answer.address : location.hostname;
    const shown = ["guest", "performer", "listener"].filter((role) => role in answer.tokens).map((role) => {
      const link = `${location.protocol}//${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}${location.port && `:${location.port}`}${location.pathname}#token=${answer.tokens[role]}`;
      const canvas = make("canvas", { role: "img", "aria-label": `QR code of the ${role}'s link` });
      drawQr(canvas, link, CODE_PIXELS);
      const name = make("strong", {}, role);
      return make("figure", {}, canvas, make("figcaption", {}, name, ` ${MAY[role] ?? ""}`, make("a", { href: link, class: "link" }, "link")));
    });
    this.codes.replaceChildren(...shown);
  }
}
