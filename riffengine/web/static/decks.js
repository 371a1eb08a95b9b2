// @ts-check
/**
 * Decks: for each deck the prompt, the target prompt with the way to it (alpha), and what is heard.
 *
 * @typedef {import("./protocol.js").Value} Value
 * @typedef {{heard: HTMLElement, inputs: Map<string, HTMLInputElement>}} DeckView
 */
const SUGGEST_AFTER_MS = 150;

export class Decks {
  /** @param {HTMLElement} root @param {import("./protocol.js").Control} control @param {import("./stage_clock.js").StageClock} clock */
  constructor(root, control, clock) {
    this.root = root;
    this.control = control;
    this.clock = clock;
    /** @type {Map<string, DeckView>} */
    this.views = new Map();
  }

  /** @param {import("./protocol.js").Welcome} welcome */
  build(welcome) {
    this.root.replaceChildren();
    this.views.clear();
    const names = new Set(welcome.schema.filter((p) => p.deck && p.control === "prompt").map((p) => p.deck));
    for (const name of names) this.views.set(name, this.buildDeck(name, names.size));
  }

  /** @param {string} name @param {number} count @returns {DeckView} */
  buildDeck(name, count) {
    const section = document.createElement("section");
    section.className = "deck";
    const title = document.createElement("h2");
    title.textContent = count > 1 ? `Deck ${name}` : "Prompt";
    const heard = document.createElement("p");
    /** @type {Map<string, HTMLInputElement>} */
    const inputs = new Map();
    section.append(title, heard);
    for (const [control, words] of [["prompt", "Prompt"], ["to", "Towards"]]) {
      section.append(...this.promptField(`deck/${name}/${control}`, words, inputs));
    }
    const alpha = document.createElement("input");
    alpha.type = "range";
    alpha.min = "0";
    alpha.max = "1";
    alpha.step = "0.001";
    const path = `deck/${name}/alpha`;
    alpha.addEventListener("input", () => {
      alpha.ariaValueText = this.alphaText(name, alpha.valueAsNumber);
      this.control.move(path, alpha.valueAsNumber);
    });
    inputs.set(path, alpha);
    section.append(labelled("Alpha: from the prompt to the target", alpha));
    this.root.append(section);
    return { heard, inputs };
  }

  /** @param {string} path @param {string} words @param {Map<string, HTMLInputElement>} inputs @returns {HTMLElement[]} */
  promptField(path, words, inputs) {
    const input = document.createElement("input");
    input.type = "text";
    input.maxLength = 400;
    input.autocomplete = "off";
    input.spellcheck = false;
    inputs.set(path, input);
    const suggestions = document.createElement("div");
    suggestions.className = "suggestions";
    let timer = 0;
    input.addEventListener("change", () => this.control.set(path, input.value));
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.suggest(input, suggestions), SUGGEST_AFTER_MS);
    });
    return [labelled(words, input), suggestions];
  }

  /** @param {HTMLInputElement} input @param {HTMLElement} suggestions */
  async suggest(input, suggestions) {
    const answer = await this.control.ask({ type: "suggest", text: input.value });
    if (answer.type !== "suggestions") return;
    const near = answer.unknown.flatMap((unknown) => unknown.close);
    const words = [...new Set([...answer.words, ...near])].slice(0, 8);
    suggestions.replaceChildren(
      ...words.map((word) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = word;
        button.addEventListener("click", () => {
          input.value = input.value.replace(/[^\s,]*$/, word);
          suggestions.replaceChildren();
          input.focus();
        });
        return button;
      }),
    );
  }

  /** @param {string} name @param {number} alpha */
  alphaText(name, alpha) {
    const to = this.views.get(name)?.inputs.get(`deck/${name}/to`)?.value;
    return to ? `${alpha.toFixed(2)}, towards ${to}` : alpha.toFixed(2);
  }

  /** @param {Record<string, Value>} values */
  show(values) {
    for (const [name, view] of this.views) {
      for (const [path, input] of view.inputs) {
        if (!(path in values) || document.activeElement === input) continue;
        input.value = String(values[path]);
        if (input.type === "range") input.ariaValueText = this.alphaText(name, input.valueAsNumber);
      }
    }
  }

  /** @param {import("./protocol.js").Figures} figures */
  showFigures(figures) {
    for (const [name, deck] of Object.entries(figures.decks)) {
      const view = this.views.get(name);
      if (!view) continue;
      const { prompt, to } = deck.sounding;
      const heard = !prompt ? "nothing is heard yet" : to && to !== prompt ? `heard: ${prompt} → ${to}` : `heard: ${prompt}`;
      view.heard.textContent = deck.phase === "playing" ? heard : `${heard} (the next one is ${deck.phase})`;
    }
  }

  focus() {
    for (const view of this.views.values()) {
      for (const input of view.inputs.values()) {
        input.focus();
        input.select();
        return;
      }
    }
  }
}

/** @param {string} words @param {HTMLElement} input */
function labelled(words, input) {
  const label = document.createElement("label");
  label.append(words, input);
  return label;
}
