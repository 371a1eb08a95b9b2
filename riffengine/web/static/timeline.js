// @ts-check
/**
 * Timeline: beats and bars that move towards the playhead, and a marker for each change that is still to be heard. A marker
 * that reaches the playhead lights up and leaves.
 *
 * @typedef {import("./protocol.js").Promised} Promised
 * @typedef {{node: HTMLElement, beat: number, text: string, heardAt: number}} Marker
 */
const BEATS_SHOWN = 24;
const PLAYHEAD = 0.12; // of the width
const HEARD_BEATS = 3; // that a marker stays lit
const ROWS = 3; // of markers, so that those of one beat can be read
const SPOKEN_EVERY_MS = 2000; // a screen reader is told of one landing a bar at most

export class Timeline {
  /** @param {HTMLElement} lane @param {HTMLElement} spoken @param {import("./stage_clock.js").StageClock} clock */
  constructor(lane, spoken, clock) {
    this.lane = lane;
    this.spoken = spoken;
    this.clock = clock;
    /** @type {Map<string, Marker>} */
    this.markers = new Map();
    /** @type {HTMLElement[]} */
    this.lines = [];
    this.rows = 0;
    this.spokenAt = -Infinity;
    for (let i = 0; i < BEATS_SHOWN + 4; i++) {
      const line = document.createElement("div");
      lane.append(line);
      this.lines.push(line);
    }
  }

  /** @param {Promised[]} landings */
  reset(landings) {
    for (const marker of this.markers.values()) marker.node.remove();
    this.markers.clear();
    for (const landing of landings) this.promise(landing);
  }

  /** A change will be heard. @param {Promised} landing */
  promise(landing) {
    if (landing.seconds < 0.1) return;
    let marker = this.markers.get(landing.path);
    if (!marker || marker.heardAt) {
      marker?.node.remove();
      marker = { node: document.createElement("div"), beat: 0, text: "", heardAt: 0 };
      marker.node.className = "marker";
      marker.node.style.paddingTop = `${0.2 + 1.35 * (this.rows++ % ROWS)}rem`;
      this.lane.append(marker.node);
      this.markers.set(landing.path, marker);
    }
    marker.beat = landing.beat;
    marker.text = `${landing.path.split("/").slice(1).join(" ") || landing.path}: ${landing.value}`;
    marker.node.textContent = marker.text;
    const now = performance.now();
    if (now - this.spokenAt > SPOKEN_EVERY_MS) {
      this.spokenAt = now;
      const beat = landing.beat.toFixed(landing.beat % 1 ? 1 : 0);
      this.spoken.textContent = `${marker.text} lands on beat ${beat}, in ${landing.seconds.toFixed(1)} s`;
    }
  }

  /** A change is heard from its beat on. @param {import("./protocol.js").Landed} landed */
  land(landed) {
    const marker = this.markers.get(landed.path);
    if (marker) marker.beat = landed.beat;
  }

  draw() {
    const beat = this.clock.beat();
    if (beat === null) return;
    const width = this.lane.clientWidth;
    const perBeat = width / BEATS_SHOWN;
    const first = Math.ceil(beat - PLAYHEAD * BEATS_SHOWN);
    this.lines.forEach((line, i) => {
      const at = first + i;
      line.className = at % 4 === 0 ? "bar" : "beat";
      line.style.transform = `translateX(${PLAYHEAD * width + (at - beat) * perBeat}px)`;
    });
    for (const [path, marker] of this.markers) {
      const ahead = marker.beat - beat;
      if (ahead <= 0 && !marker.heardAt) {
        marker.heardAt = beat;
        marker.node.classList.add("heard");
      }
      if (ahead < -HEARD_BEATS) {
        marker.node.remove();
        this.markers.delete(path);
        continue;
      }
      marker.node.style.transform = `translateX(${PLAYHEAD * width + Math.min(ahead, BEATS_SHOWN) * perBeat}px)`;
    }
  }
}
