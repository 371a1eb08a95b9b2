// @ts-check
/**
 * Draw: paint on the spectrogram of a deck, or drop a picture or a sound. It becomes what the deck starts from, and is heard
 * on the beat that the answer names. A rectangle in time is generated anew instead.
 *
 * @typedef {import("./watch.js").Session} Session
 */
import { colourTable } from "./colour_map.js";
import { part } from "./dom.js";
import { fillTrack } from "./fields.js";

const SIZE = 512;
const MOST_UNDO = 20;
const MOST_TAKES = 12; // as the engine keeps
const SEEDS = ["og_beat", "agile", "marim", "motorway", "vibes"]; // of Riffusion's app
const SOUNDS = /^audio\/(wav|x-wav|flac|x-flac|ogg|mpeg)$/;

/** @param {HTMLElement} element @param {Session} session */
export function mount(element, session) {
  const draw = new Draw(element, session);
  Object.assign(globalThis, { riffengineDraw: draw });
  return { show: (/** @type {boolean} */ visible) => visible && draw.begin() };
}

class Draw {
  /** @param {HTMLElement} element @param {Session} session */
  constructor(element, session) {
    this.session = session;
    /** @type {Uint8ClampedArray} */
    this.levels = new Uint8ClampedArray(SIZE * SIZE).fill(255); // white is silence, the top row is the highest
    /** @type {{levels: Uint8ClampedArray, loop: string}[]} */
    this.before = [];
    this.loop = ""; // the number of the loop that is painted on
    this.tool = "brush";
    /** @type {[number, number]|null} beats of the rectangle: from, to */
    this.marked = null;
    this.last = { x: 0, y: 0 };
    this.drawing = false;
    this.table = colourTable();
    element.classList.add("draw");
    const bar = part("div", "draw-bar", element);
    this.deck = /** @type {HTMLSelectElement} */ (part("select", "", label("Deck", bar)));
    this.deck.addEventListener("change", () => this.load());
    this.tools = ["brush", "erase", "rectangle"].map((name) => {
      const button = this.button(name === "rectangle" ? "Mark beats" : name === "brush" ? "Brush" : "Erase", bar, () => this.pick(name));
      button.dataset.tool = name;
      return button;
    });
    this.width = slider("Width", bar, 2, 80, 14, 1);
    this.loudness = slider("Loudness", bar, 0.1, 1, 0.8, 0.05);
    this.strength = slider("Generated anew", bar, 0, 0.95, 0.4, 0.05);
    this.button("Take back", bar, () => this.takeBack());
    this.holder = part("div", "draw-holder", element);
    this.canvas = /** @type {HTMLCanvasElement} */ (part("canvas", "", this.holder));
    this.canvas.width = this.canvas.height = SIZE;
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "Spectrogram of the loop; time to the right, high tones above");
    this.pen = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.grid = part("div", "draw-grid", this.holder);
    this.markNode = part("div", "draw-marked", this.holder);
    this.markNode.hidden = true;
    const foot = part("div", "draw-bar", element);
    this.play = this.button("Play this", foot, () => this.send());
    this.play.className = "draw-play";
    this.again = this.button("Generate the marked beats anew", foot, () => this.generate());
    this.again.disabled = true;
    const seeds = part("span", "draw-seeds", foot);
    seeds.append("Start from ");
    this.button("The deck's loop", seeds, () => this.load());
    this.button("Empty", seeds, () => this.fill(new Uint8ClampedArray(SIZE * SIZE).fill(255), ""));
    for (const name of SEEDS) this.button(name.replace("_", " "), seeds, () => this.seed(name));
    const choose = /** @type {HTMLInputElement} */ (part("input", "", label("or a picture or sound", foot)));
    Object.assign(choose, { type: "file", accept: "image/*,audio/*" });
    choose.addEventListener("change", () => choose.files?.[0] && this.take(choose.files[0]));
    this.say = part("p", "draw-say", element);
    this.say.setAttribute("role", "status");
    this.pointers();
    this.pick("brush");
    session.on("connected", () => this.begin());
    this.set = session.welcome?.set ?? "";
    session.on("landed", (message) => {
      if (message.path === `deck/${this.deck.value}/init`) this.tell("It is heard now.");
    });
  }

  /** The page is shown: find the decks, and the first loop. */
  begin() {
    const { welcome } = this.session;
    if (!welcome) return;
    if (welcome.set !== this.set) this.loop = ""; // its number is another loop in another set
    this.set = welcome.set;
    const names = [...new Set(welcome.schema.filter((p) => p.deck && p.control === "init").map((p) => p.deck))];
    if (names.join() !== [...this.deck.options].map((option) => option.value).join()) {
      this.deck.replaceChildren(...names.map((name) => new Option(name, name)));
    }
    this.grid.replaceChildren(...Array.from({ length: welcome.loop_beats }, (_, k) => {
      const line = document.createElement("i");
      line.className = k % 4 ? "" : "bar";
      return line;
    }));
    const may = welcome.role === "performer";
    this.play.disabled = !may;
    if (!may) this.tell("Only a performer draws; open the page with the performer's link.");
    this.show();
    if (!this.loop && !this.before.length) this.load();
  }

  /** Show the loop that the deck plays. */
  async load() {
    const answer = await fetch("/api/welcome").catch(() => null);
    const found = answer?.ok ? (await answer.json()).figures.decks?.[this.deck.value] : null;
    if (found?.loop == null || !(await this.picture(`/loops/${found.loop}.png`, String(found.loop)))) {
      this.tell("There is no loop to paint on yet: paint on nothing, or try again in a moment.");
    } else this.tell(`The loop of deck ${this.deck.value}: paint on it.`);
  }

  /** @param {string} name */
  async seed(name) {
    if (await this.picture(`/seeds/${name}.png`, "")) this.tell(`The hand-drawn picture ${name.replace("_", " ")}.`);
  }

  /** @param {string} address @param {string} loop */
  async picture(address, loop) {
    const answer = await fetch(address).catch(() => null);
    if (answer?.status !== 200) return false;
    this.fill(await levelsOf(await answer.blob()), loop);
    return true;
  }

  /** A file was dropped or chosen. @param {File} file */
  async take(file) {
    if (SOUNDS.test(file.type)) {
      await this.post(file, file.type, "");
      return;
    }
    try {
      this.fill(await levelsOf(file), "");
      this.tell("The picture: dark is loud. Paint on it, or play it.");
    } catch {
      this.tell("This is no picture that the browser can read, and no WAV, FLAC, Ogg or MP3.", true);
    }
  }

  /** @param {Uint8ClampedArray} levels @param {string} loop */
  fill(levels, loop) {
    this.remember();
    this.levels = levels;
    this.loop = loop;
    this.show();
  }

  remember() {
    this.before.push({ levels: this.levels.slice(), loop: this.loop });
    if (this.before.length > MOST_UNDO) this.before.shift();
  }

  takeBack() {
    const { levels, loop } = this.before.pop() ?? this;
    Object.assign(this, { levels, loop });
    this.show();
  }

  /** @param {string} name */
  pick(name) {
    this.tool = name;
    for (const button of this.tools) button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  }

  pointers() {
    const at = (/** @type {PointerEvent} */ event) => {
      const box = this.canvas.getBoundingClientRect();
      return { x: ((event.clientX - box.left) / box.width) * SIZE, y: ((event.clientY - box.top) / box.height) * SIZE };
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.drawing = true;
      this.last = at(event);
      if (this.tool === "rectangle") this.markFrom = this.last.x;
      else this.remember();
      this.stroke(this.last);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (this.drawing) for (const each of event.getCoalescedEvents?.() ?? [event]) this.stroke(at(each));
    });
    for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => (this.drawing = false));
    this.holder.addEventListener("dragover", (event) => event.preventDefault());
    this.holder.addEventListener("drop", (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file) this.take(file);
    });
  }

  /** Go on to `to` with the tool. @param {{x: number, y: number}} to */
  stroke(to) {
    if (this.tool === "rectangle") {
      this.mark(this.markFrom ?? to.x, to.x);
      return;
    }
    const radius = this.width.valueAsNumber / 2;
    const steps = Math.max(1, Math.ceil(Math.hypot(to.x - this.last.x, to.y - this.last.y) / Math.max(1, radius / 3)));
    for (let k = 1; k <= steps; k++) {
      this.dab(this.last.x + ((to.x - this.last.x) * k) / steps, this.last.y + ((to.y - this.last.y) * k) / steps, radius);
    }
    this.last = to;
    this.show();
  }

  /** @param {number} x @param {number} y @param {number} radius */
  dab(x, y, radius) {
    const ink = this.tool === "erase" ? 255 : 255 * (1 - this.loudness.valueAsNumber);
    for (let row = Math.max(0, Math.floor(y - radius)); row <= Math.min(SIZE - 1, y + radius); row++) {
      for (let column = Math.floor(x - radius); column <= x + radius; column++) {
        const far = Math.hypot(column - x, row - y) / radius;
        if (far > 1) continue;
        const slot = row * SIZE + (((column % SIZE) + SIZE) % SIZE); // a loop is a circle
        const soft = Math.min(1, 2 * (1 - far));
        const goal = this.levels[slot] + (ink - this.levels[slot]) * soft;
        this.levels[slot] = this.tool === "erase" ? Math.max(this.levels[slot], goal) : Math.min(this.levels[slot], goal);
      }
    }
  }

  /** @param {number} from @param {number} to columns */
  mark(from, to) {
    const beats = this.session.welcome?.loop_beats ?? 8;
    const beat = (/** @type {number} */ x) => Math.min(beats - 1, Math.max(0, Math.floor((x / SIZE) * beats)));
    const [first, last] = [Math.min(beat(from), beat(to)), Math.max(beat(from), beat(to))];
    this.marked = [first, last + 1];
    this.markNode.hidden = false;
    this.markNode.style.left = `${(100 * first) / beats}%`;
    this.markNode.style.width = `${(100 * (last + 1 - first)) / beats}%`;
    this.again.disabled = this.session.welcome?.role !== "performer";
  }

  show() {
    const image = this.pen.createImageData(SIZE, SIZE);
    for (let k = 0; k < SIZE * SIZE; k++) {
      const level = 255 - this.levels[k];
      for (let c = 0; c < 3; c++) image.data[4 * k + c] = this.table[3 * level + c];
      image.data[4 * k + 3] = 255;
    }
    this.pen.putImageData(image, 0, 0);
  }

  /** Send the picture. */
  async send() {
    const canvas = new OffscreenCanvas(SIZE, SIZE);
    const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const image = pen.createImageData(SIZE, SIZE);
    for (let k = 0; k < SIZE * SIZE; k++) image.data.fill(this.levels[k], 4 * k, 4 * k + 3);
    for (let k = 3; k < image.data.length; k += 4) image.data[k] = 255;
    pen.putImageData(image, 0, 0);
    await this.post(await canvas.convertToBlob({ type: "image/png" }), "image/png", this.loop);
  }

  /** @param {Blob} body @param {string} type @param {string} loop */
  async post(body, type, loop) {
    this.play.disabled = true;
    this.tell("It is on its way.");
    const asked = new URLSearchParams({ deck: this.deck.value, strength: this.strength.value, ...(loop ? { loop } : {}) });
    try {
      const answer = await fetch(`/draw?${asked}`, { method: "POST", headers: { "Content-Type": type }, body });
      if (answer.ok) this.tell(landingText((await answer.json()).landing));
      else this.tell(await answer.text(), true);
    } catch {
      this.tell("The server is away; nothing was changed. Try again.", true);
    }
    this.play.disabled = this.session.welcome?.role !== "performer";
  }

  /** Have the marked beats generated anew; the rest stays as it is. */
  async generate() {
    const { welcome, values } = this.session;
    if (!this.marked || !welcome) return;
    const deck = this.deck.value;
    const path = `deck/${deck}/takes`;
    const stems = [...new Set(welcome.schema.filter((p) => p.deck === deck && p.stem).map((p) => p.stem))];
    const takes = String(values[path] ?? "").split(" ").filter(Boolean);
    const number = 1 + Math.max(0, ...takes.map((take) => Number(take.split(":")[2]) || 0));
    const [from, to] = this.marked;
    takes.push(`${stems.join("+")}:${from + 1 === to ? to : `${from + 1}-${to}`}:${number}`);
    const control = /** @type {import("./protocol.js").Control} */ (this.session.control);
    const answer = await control.set(path, takes.slice(-MOST_TAKES).join(" "));
    if (answer.type !== "answer") return;
    if (answer.ok) this.tell(landingText(answer.landing));
    else this.tell(answer.error, true);
  }

  /** @param {string} text @param {boolean} [wrong] */
  tell(text, wrong = false) {
    this.say.textContent = text.trim();
    this.say.classList.toggle("wrong", wrong);
  }

  /** @param {string} text @param {HTMLElement} parent @param {() => void} act */
  button(text, parent, act) {
    const button = /** @type {HTMLButtonElement} */ (part("button", "", parent));
    button.type = "button";
    button.textContent = text;
    button.addEventListener("click", act);
    return button;
  }
}

/** The picture in `file` as levels. @param {Blob} file */
async function levelsOf(file) {
  const bitmap = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(SIZE, SIZE);
  const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.fillStyle = "white";
  pen.fillRect(0, 0, SIZE, SIZE);
  pen.drawImage(bitmap, 0, 0, SIZE, SIZE);
  bitmap.close();
  const { data } = pen.getImageData(0, 0, SIZE, SIZE);
  const levels = new Uint8ClampedArray(SIZE * SIZE);
  for (let k = 0; k < levels.length; k++) levels[k] = 0.299 * data[4 * k] + 0.587 * data[4 * k + 1] + 0.114 * data[4 * k + 2];
  return levels;
}

/** @param {import("./protocol.js").Landing|null} landing */
function landingText(landing) {
  if (!landing) return "It is set.";
  return `It lands on beat ${landing.beat.toFixed(landing.beat % 1 ? 1 : 0)}, in ${landing.seconds.toFixed(1)} s.`;
}

/** @param {string} words @param {HTMLElement} parent */
function label(words, parent) {
  const made = part("label", "", parent);
  made.append(words);
  return made;
}

/** @param {string} words @param {HTMLElement} parent @param {number} low @param {number} high @param {number} value @param {number} step */
function slider(words, parent, low, high, value, step) {
  const input = /** @type {HTMLInputElement} */ (part("input", "", label(words, parent)));
  Object.assign(input, { type: "range", min: String(low), max: String(high), step: String(step) });
  input.value = String(value);
  const show = () => fillTrack(input, input.valueAsNumber, low);
  input.addEventListener("input", show);
  show();
  return input;
}
