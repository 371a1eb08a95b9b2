// @ts-check
/**
 * WatchLabels: words over the picture: prompts where they are heard, and what will land. Text nodes alone: a prompt is
 * text from a stranger.
 *
 * @typedef {{key: string, beat: number, text: string, kind: "prompt"|"landing", heard: boolean}} Label
 */
const MOST = 8;
const GAP = 6;

export class WatchLabels {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.nodes = Array.from({ length: MOST }, () => {
      const node = document.createElement("div");
      node.className = "watch-label";
      node.hidden = true;
      root.append(node);
      return node;
    });
  }

  /**
   * @param {Label[]} labels @param {number} beat
   * @param {(beat: number) => {x: number, y: number, near: number}|null} place
   */
  draw(labels, beat, place) {
    const width = this.root.clientWidth;
    const placed = [];
    for (const label of labels) {
      const at = place(label.beat);
      if (at) placed.push({ label, at });
    }
    placed.sort((a, b) => a.label.beat - b.label.beat); // the nearest stands lowest
    /** @type {{left: number, top: number, right: number, bottom: number}[]} */
    const taken = [];
    for (let k = 0; k < MOST; k++) {
      const node = this.nodes[k];
      const found = placed[k];
      node.hidden = !found;
      if (!found) continue;
      const { label, at } = found;
      const left = label.beat - beat;
      const text = left > 0.05 ? `${label.text}  ·  in ${left < 4 ? left.toFixed(1) : Math.round(left)} beats` : label.text;
      if (node.textContent !== text) node.textContent = text;
      node.className = `watch-label ${label.kind} ${label.heard ? "heard" : "ahead"}`;
      const wide = node.offsetWidth * at.near;
      const tall = node.offsetHeight * at.near;
      const x = Math.min(Math.max(8, at.x), Math.max(8, width - wide - 8));
      let y = Math.max(8, at.y - tall);
      for (const other of taken) {
        if (x < other.right && x + wide > other.left && y < other.bottom + GAP && y + tall > other.top - GAP) {
          y = Math.max(8, other.top - tall - GAP);
          if (y <= 8) y = other.bottom + GAP;
        }
      }
      taken.push({ left: x, top: y, right: x + wide, bottom: y + tall });
      node.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) scale(${at.near.toFixed(3)})`;
      node.style.opacity = left < 0 ? String(Math.max(0, 1 + left / 6)) : "1";
    }
  }
}
