// @ts-check
/** Elements of the page. Text becomes text nodes alone: what others have written is never markup. */

/**
 * Make an element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string|boolean|number>} [attributes] false leaves one out
 * @param {...(Node|string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

/** An element of class `name` at the end of `parent`. @param {string} tag @param {string} name @param {HTMLElement} parent @returns {HTMLElement} */
export function part(tag, name, parent) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  parent.append(made);
  return made;
}

/** A button. @param {string} words @param {() => void} act @param {Record<string, string|boolean|number>} [attributes] */
export function button(words, act, attributes = {}) {
  const node = make("button", { type: "button", ...attributes }, words);
  node.addEventListener("click", act);
  return node;
}

/** The element of the page with `id`. @param {string} id @returns {HTMLElement} */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found;
}

/** The name of a parameter for people: `deck/a/stem/drums/gain` is "A drums gain". @param {import("./protocol.js").Parameter|undefined} parameter @param {string} path */
export function nameOf(parameter, path) {
  if (!parameter) return path;
  const group = parameter.group.replace(/^fx\//, "effect ").replaceAll("/", " ");
  const words = [parameter.deck.toUpperCase(), parameter.stem, group, parameter.control.replaceAll("_", " ")];
  return words.filter((word) => word).join(" ");
}
