// @ts-check
/**
 * Landscape: the spectrogram as hills. Time runs away from the eye: what was heard lies before the playhead, what will be
 * heard behind it. Low tones are on the left. One texture, one mesh of hills, one playhead, one set of gates, for ever.
 *
 * @typedef {import("./spectrum_ring.js").SpectrumRing} SpectrumRing
 * @typedef {{x: number, y: number, near: number}} Place
 */
import { STEM_COLOURS, colourOf } from "./colour_map.js";
import { BANDS, COLUMNS, PAST_BEATS, PER_BEAT } from "./spectrum_ring.js";

const THREE_FILE = "./vendor/three.js"; // loaded only where it is used
const WIDTH = 13;
const BEAT = 1.45; // of the world
const HEIGHT = 3.0;
const MOST_GATES = 12;
const RAMP = 9;

const VERTEX = `
uniform sampler2D levels; uniform float first; uniform float origin; uniform float height;
varying float column; varying vec2 place; varying float light; varying float far;
float rise(vec2 at) { float level = texture2D(levels, vec2(at.x, (at.y + 0.5) / ${COLUMNS}.0)).r; return level * level * height; }
void main() {
  column = first + uv.y * ${COLUMNS}.0;
  place = vec2(uv.x, column);
  float here = rise(place);
  float slope = rise(place + vec2(0.012, 0.0)) - rise(place - vec2(0.012, 0.0));
  float along = rise(place + vec2(0.0, 2.0)) - rise(place - vec2(0.0, 2.0));
  light = clamp(1.05 - 0.6 * slope - 0.25 * along, 0.45, 1.6);
  vec4 seen = modelViewMatrix * vec4((uv.x - 0.5) * ${WIDTH.toFixed(1)}, here, -(column - origin) * ${(BEAT / PER_BEAT).toFixed(6)}, 1.0);
  far = -seen.z;
  gl_Position = projectionMatrix * seen;
}`;
const FRAGMENT = `
uniform sampler2D levels; uniform float origin; uniform float coloured; uniform vec3 ramp[${RAMP}]; uniform vec3 stems[3];
uniform vec3 ground;
varying float column; varying vec2 place; varying float light; varying float far;
vec3 colour(float level) {
  float at = clamp(level, 0.0, 1.0) * ${(RAMP - 1).toFixed(1)};
  vec3 found = ramp[0];
  for (int k = 0; k < ${RAMP - 1}; k++) found = mix(found, ramp[k + 1], clamp(at - float(k), 0.0, 1.0));
  return found;
}
float line(float at, float width) { float near = abs(fract(at + 0.5) - 0.5); return 1.0 - smoothstep(width, width + fwidth(at) * 1.5, near); }
void main() {
  vec4 found = texture2D(levels, vec2(place.x, (column + 0.5) / ${COLUMNS}.0));
  float level = found.r;
  vec3 own = stems[0] * found.g + stems[1] * found.b + stems[2] * found.a;
  vec3 shown = mix(colour(pow(level, 0.85) * 1.15), mix(ramp[0], own, pow(level, 1.4) * 1.2), coloured * step(0.02, found.g + found.b + found.a));
  shown *= light;
  float ahead = column - origin;
  shown = mix(shown, shown * vec3(0.72, 0.78, 0.92), smoothstep(0.0, 3.0, ahead));
  float beat = line(column / ${PER_BEAT}.0, 0.0) * 0.16;
  float bar = line(column / ${4 * PER_BEAT}.0, 0.0) * 0.5;
  shown += vec3(0.75, 0.85, 1.0) * max(beat, bar) * smoothstep(34.0, 6.0, far);
  shown += vec3(0.55, 1.0, 0.88) * smoothstep(2.6, 0.0, abs(ahead)) * (0.2 + 0.6 * level);
  float edge = smoothstep(0.5, 0.475, abs(place.x - 0.5));
  float haze = smoothstep(20.0, 46.0, far);
  gl_FragColor = vec4(mix(ground, shown, edge * (1.0 - haze)), 1.0);
}`;

export class Landscape {
  /** @param {any} three @param {HTMLCanvasElement} canvas @param {SpectrumRing} ring @param {number} quality 0 or 1 */
  constructor(three, canvas, ring, quality) {
    this.three = three;
    this.canvas = canvas;
    this.ring = ring;
    this.renderer = new three.WebGLRenderer({ canvas, antialias: quality > 0, powerPreference: "high-performance" });
    this.scene = new three.Scene();
    this.ground = new three.Color(0x07070d);
    this.scene.background = this.ground;
    this.camera = new three.PerspectiveCamera(46, 1, 0.1, 80);
    this.texture = new three.DataTexture(ring.data, BANDS, COLUMNS, three.RGBAFormat, three.UnsignedByteType);
    this.texture.wrapT = three.RepeatWrapping;
    this.texture.minFilter = this.texture.magFilter = three.LinearFilter;
    this.texture.needsUpdate = true;
    this.step = quality ? 2 : 4; // columns between two rows of the mesh
    this.uniforms = {
      levels: { value: this.texture }, first: { value: 0 }, origin: { value: 0 }, height: { value: HEIGHT },
      coloured: { value: 0 }, ground: { value: this.ground },
      ramp: { value: Array.from({ length: RAMP }, (_, k) => new three.Vector3(...colourOf(k / (RAMP - 1)))) },
      stems: { value: STEM_COLOURS.map((colour) => new three.Vector3(...colour)) },
    };
    const hills = new three.Mesh(
      new three.PlaneGeometry(1, 1, quality ? BANDS - 1 : BANDS / 2 - 1, COLUMNS / this.step),
      new three.ShaderMaterial({ uniforms: this.uniforms, vertexShader: VERTEX, fragmentShader: FRAGMENT, side: three.DoubleSide }),
    );
    hills.frustumCulled = false;
    this.playhead = new three.Mesh(
      new three.BoxGeometry(WIDTH, HEIGHT * 0.95, 0.03),
      new three.MeshBasicMaterial({ color: 0x7fd1b9, transparent: true, opacity: 0.12, depthWrite: false }),
    );
    this.playhead.position.y = HEIGHT * 0.47;
    this.gates = new three.InstancedMesh(
      new three.PlaneGeometry(WIDTH, HEIGHT * 0.95),
      new three.MeshBasicMaterial({ color: 0xf2c14e, transparent: true, opacity: 0.2, depthWrite: false, side: three.DoubleSide }),
      MOST_GATES,
    );
    this.gates.frustumCulled = false;
    this.scene.add(hills, this.gates, this.playhead);
    this.matrix = new three.Matrix4();
    this.point = new three.Vector3();
    this.coloured = false;
    this.beat = 0;
    this.resize();
  }

  /** @param {HTMLCanvasElement} canvas @param {SpectrumRing} ring @param {number} quality @returns {Promise<Landscape>} */
  static async open(canvas, ring, quality) {
    return new Landscape(await import(THREE_FILE), canvas, ring, quality);
  }

  get memory() {
    const { geometries, textures } = this.renderer.info.memory;
    return { geometries, textures };
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    const width = Math.max(1, clientWidth);
    const height = Math.max(1, clientHeight);
    this.renderer.setPixelRatio(Math.min(globalThis.devicePixelRatio || 1, 1.5));
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    // A narrow screen sees the same width of the hills from further away.
    const back = Math.max(1, 1.5 / this.camera.aspect);
    this.camera.position.set(0, 4.6 * Math.sqrt(back), 7.4 * back);
    this.camera.lookAt(0, 0.2, -4.4);
    this.camera.updateProjectionMatrix();
    this.camera.updateMatrixWorld();
  }

  /** @param {number} beat now @param {number[]} gates beats on which something lands */
  draw(beat, gates) {
    this.beat = beat;
    const now = beat * PER_BEAT;
    const first = this.step * Math.floor((now - PAST_BEATS * PER_BEAT) / this.step);
    const base = COLUMNS * Math.floor(first / COLUMNS); // small numbers, since shaders count with 24 bits
    this.uniforms.first.value = first - base;
    this.uniforms.origin.value = now - base;
    this.uniforms.coloured.value = this.coloured ? 1 : 0;
    if (this.ring.changed.size) this.texture.needsUpdate = true;
    this.ring.changed.clear();
    for (let k = 0; k < MOST_GATES; k++) {
      const ahead = k < gates.length ? gates[k] - beat : NaN;
      const seen = ahead > -PAST_BEATS && ahead < 24;
      this.matrix.makeScale(seen ? 1 : 0, seen ? 1 : 0, seen ? 1 : 0);
      if (seen) this.matrix.setPosition(0, HEIGHT * 0.47, -ahead * BEAT);
      this.gates.setMatrixAt(k, this.matrix);
    }
    this.gates.instanceMatrix.needsUpdate = true;
    this.renderer.render(this.scene, this.camera);
  }

  /** Where on the screen something of `beat` stands, in pixels; null where it is not seen. @param {number} beat @returns {Place|null} */
  place(beat) {
    const ahead = beat - this.beat;
    if (ahead < -3.2 || ahead > 23) return null;
    this.point.set(-WIDTH * 0.42, HEIGHT * 0.95, -ahead * BEAT).project(this.camera);
    const { clientWidth, clientHeight } = this.canvas;
    const near = Math.min(1, Math.max(0.7, 1 - ahead / 60));
    return { x: ((this.point.x + 1) / 2) * clientWidth, y: ((1 - this.point.y) / 2) * clientHeight, near };
  }

  close() {
    this.scene.traverse((/** @type {any} */ part) => {
      part.geometry?.dispose();
      part.material?.dispose();
    });
    this.texture.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss(); // a browser has few contexts, and takes those of other pages for a new one
  }
}
