// Elements from plain calls. Text only ever becomes text nodes: names come from the
// programs that were profiled and are never markup.

/**
 * @param {string} tag
 * @param {Record<string, any>} props `class`, `onclick` and other handlers, `style`
 *   (an object: the content policy forbids style attributes), else attributes; null,
 *   undefined and false leave the attribute out
 * @param {...(Node|string|number|null|undefined|false|Array<any>)} children
 * @returns {any} the element
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  setProps(element, props);
  element.append(...present(children));
  return element;
}

/** Flattened, without what was left out by `condition && child`. */
function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

function setProps(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
}

const svgNs = "http://www.w3.org/2000/svg";

/** A 16×16 line icon from path data. @param {string} path */
export function icon(path) {
  const svg = document.createElementNS(svgNs, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(svgNs, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export const icons = {
  close: "M4 4l8 8M12 4l-8 8",
  chevron: "M4 6l4 4 4-4",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9M10.5 10.5L14 14",
  previous: "M4 10l4-4 4 4",
  next: "M4 6l4 4 4-4",
  light: "M8 5a3 3 0 1 0 0 6a3 3 0 1 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  dark: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z",
  auto: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12M8 2v12M9.5 4.5h2M9.5 7h3.5M9.5 9.5h3M9.5 12h1",
  help: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12M6.2 6.3a1.8 1.8 0 1 1 2.6 1.6c-.5.3-.8.6-.8 1.2M8 11.3v.2",
  zoomIn: "M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9M10.5 10.5L14 14M7 5v4M5 7h4",
  zoomOut: "M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9M10.5 10.5L14 14M5 7h4",
  undo: "M6 3L2.5 6.5L6 10M2.5 6.5H10a3.5 3.5 0 0 1 0 7H7",
  redo: "M10 3l3.5 3.5L10 10M13.5 6.5H6a3.5 3.5 0 0 0 0 7h3",
  share: "M8 10V2.5M5 5l3-3l3 3M3 9v4.5h10V9",
  menu: "M3 4h10M3 8h10M3 12h10",
  right: "M6 4l4 4l-4 4",
  swap: "M3 5.5h9L9.5 3M13 10.5H4L6.5 13",
  run: "M5 3l8 5l-8 5z",
  copy: "M6 6h7.5v7.5H6zM10 6V2.5H2.5V10H6",
};

/** A button that only has an icon. */
export function iconButton(path, label, onclick, props = {}) {
  return h("button", { type: "button", class: "icon-button", title: label, "aria-label": label, onclick, ...props }, icon(path));
}

/**
 * Replace an element's children. The keyboard focus stays on the child that has the same
 * `data-focus` as the one that had it.
 */
export function fill(element, ...children) {
  const active = /** @type {HTMLElement} */ (document.activeElement);
  const focus = element.contains(active) ? active.dataset.focus : undefined;
  element.replaceChildren(...present(children));
  if (focus) element.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
}

const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

/**
 * Any CSS colour, oklch() too, as it comes out on screen.
 * @returns {[number, number, number]} red, green, blue
 */
export function readColor(color) {
  probe.fillStyle = color;
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  return [red, green, blue];
}

/**
 * A canvas with as many device pixels as it covers.
 * @returns {boolean} its size changed
 */
export function fitCanvas(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const pixelWidth = Math.max(1, Math.round(width * ratio));
  const pixelHeight = Math.max(1, Math.round(height * ratio));
  if (canvas.width === pixelWidth && canvas.height === pixelHeight) return false;
  canvas.width = pixelWidth;
  canvas.height = pixelHeight;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  return true;
}
