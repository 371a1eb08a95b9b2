// @ts-check
/**
 * The controls that are made from the parameter tree: what a new model family declares appears by itself.
 *
 * @typedef {import("./protocol.js").Parameter} Parameter
 * @typedef {import("./protocol.js").Value} Value
 */

/**
 * Fill `root` with a control for each parameter.
 * @param {HTMLElement} root
 * @param {Parameter[]} schema
 * @param {import("./protocol.js").Control} control
 * @returns {Map<string, (value: Value) => void>} how each value is shown
 */
export function buildControls(root, schema, control) {
  root.replaceChildren();
  /** @type {Map<string, (value: Value) => void>} */
  const shown = new Map();
  let group = "";
  for (const parameter of schema) {
    const place = parameter.path.split("/").slice(0, -1).join(" ") || "session";
    if (place !== group) {
      group = place;
      const title = document.createElement("h3");
      title.textContent = place;
      root.append(title);
    }
    root.append(buildControl(parameter, control, shown));
  }
  return shown;
}

/** @param {Parameter} parameter @param {import("./protocol.js").Control} control @param {Map<string, (value: Value) => void>} shown */
function buildControl(parameter, control, shown) {
  const path = parameter.path;
  const holder = document.createElement("div");
  holder.className = "control";
  holder.title = `${parameter.help} (${parameter.allowed})`;
  if (parameter.kind === "trigger") {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = parameter.control;
    button.addEventListener("click", () => control.set(path, true));
    holder.append(button);
    return holder;
  }
  const label = document.createElement("label");
  label.append(parameter.control.replaceAll("_", " "));
  const input = inputFor(parameter);
  const unit = parameter.unit ? ` ${parameter.unit}` : "";
  const output = document.createElement("output");
  if (input instanceof HTMLInputElement && input.type === "range") {
    label.append(output);
    input.addEventListener("input", () => {
      output.textContent = `${input.value}${unit}`;
      control.move(path, input.valueAsNumber);
    });
  } else if (input instanceof HTMLInputElement && input.type === "checkbox") {
    input.addEventListener("change", () => control.set(path, input.checked));
  } else if (parameter.kind === "int" || parameter.kind === "float") {
    input.addEventListener("change", () => control.set(path, Number(input.value)));
  } else {
    input.addEventListener("change", () => control.set(path, input.value));
  }
  shown.set(path, (value) => {
    if (document.activeElement === input) return;
    if (input instanceof HTMLInputElement && input.type === "checkbox") input.checked = Boolean(value);
    else input.value = String(value);
    output.textContent = typeof value === "number" ? `${Math.round(value * 1000) / 1000}${unit}` : "";
  });
  label.append(input);
  holder.append(label);
  return holder;
}

/** @param {Parameter} parameter @returns {HTMLInputElement|HTMLSelectElement} */
function inputFor(parameter) {
  if (parameter.kind === "choice") {
    const select = document.createElement("select");
    for (const choice of parameter.choices ?? []) select.append(new Option(choice || "(none)", choice));
    return select;
  }
  const input = document.createElement("input");
  const bounded = parameter.low != null && parameter.high != null;
  const whole = parameter.kind === "int";
  if (parameter.kind === "bool") input.type = "checkbox";
  else if (parameter.kind === "str") {
    input.type = "text";
    input.maxLength = parameter.longest ?? 400;
  } else if (bounded && Number(parameter.high) - Number(parameter.low) <= (whole ? 128 : 1e5)) {
    input.type = "range";
    input.min = String(parameter.low);
    input.max = String(parameter.high);
    input.step = whole ? "1" : String((Number(parameter.high) - Number(parameter.low)) / 1000);
  } else {
    input.type = "number";
    input.step = whole ? "1" : "any";
  }
  return input;
}
