// Small components used everywhere. Text only ever becomes text nodes: names come from
// the programs that were profiled and are never markup.

import { html, signal, useLayoutEffect, useRef } from "../vendor/preact.js";
import { icons } from "./dom.js";

/** A 16×16 line icon; `name` of ui/dom.js. */
export function Icon({ name }) {
  return html`<svg viewBox="0 0 16 16" class="icon" aria-hidden="true"><path d=${icons[name]} /></svg>`;
}

/** A button that only has an icon. */
export function IconButton({ name, label, ...props }) {
  return html`<button type="button" class="icon-button" title=${label} aria-label=${label} ...${props}><${Icon} name=${name} /></button>`;
}

/** Buttons of which one is pressed. @param {{label: string, value: string, options: [string, string, string?][], onChoose: (id: any) => void}} props */
export function Switch({ label, value, options, onChoose }) {
  return html`<div class="switch" role="group" aria-label=${label}>
    ${options.map(([id, name, title]) => html`<button type="button" key=${id} title=${title} data-id=${id}
      aria-pressed=${String(id === value)} onClick=${() => onChoose(id)}>${name}</button>`)}
  </div>`;
}

/** Tabs over one panel that the caller renders. */
export function Tabs({ label, value, options, onChoose, children }) {
  const step = (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    const at = options.findIndex(([id]) => id === value);
    const next = options[(at + move + options.length) % options.length][0];
    onChoose(next);
    event.currentTarget.querySelector(`[data-id="${next}"]`)?.focus();
    event.preventDefault();
  };
  return html`<div class="tabs"><div role="tablist" aria-label=${label} onKeyDown=${step}>
    ${options.map(([id, name, title]) => html`<button type="button" role="tab" key=${id} data-id=${id} title=${title}
      aria-selected=${String(id === value)} tabindex=${id === value ? 0 : -1} onClick=${() => onChoose(id)}>${name}</button>`)}
  </div>${children}</div>`;
}

/** A modal dialog that is open as long as it is rendered. */
export function Dialog({ label, class: kind, onClose, children }) {
  const ref = useRef(null);
  const over = useRef(false);
  useLayoutEffect(() => { // before the next key: people type ahead
    const dialog = ref.current;
    const before = /** @type {HTMLElement} */ (document.activeElement);
    dialog.showModal();
    return () => {
      over.current = true;
      dialog.close(); // until then nothing else takes the focus
      before?.focus?.({ preventScroll: true });
    };
  }, []);
  /** Once: the dialog's own event comes late, when another one may be open. */
  const close = () => {
    if (!over.current) onClose();
    over.current = true;
  };
  const onKey = (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close();
  };
  return html`<dialog ref=${ref} class=${kind} aria-label=${label} onKeyDown=${onKey}
    onClose=${close} onClick=${(event) => event.target === ref.current && close()}>${children}</dialog>`;
}

/** What was loaded, or a hint that it is on its way (only when it takes a while). */
export function Loading({ what }) {
  return html`<p class="skeleton muted" role="status">Loading ${what} …</p>`;
}

const sheets = new Map();

/** Resolves when the style sheet is in force (or cannot be had). @param {string} path */
export function stylesheet(path) {
  if (!sheets.has(path))
    sheets.set(path, new Promise((resolve) => {
      const link = document.createElement("link");
      link.rel = "stylesheet";
      link.href = path;
      link.addEventListener("load", resolve);
      link.addEventListener("error", resolve);
      document.head.append(link);
    }));
  return sheets.get(path);
}

/**
 * A component whose module, and the style of all such, are loaded when it is first shown.
 * @param {() => Promise<any>} load gives the component
 * @param {string} what is on its way meanwhile; "" says nothing
 * @param {boolean} styled its style is of that sheet
 */
export function lazy(load, what, styled = true) {
  const component = signal(/** @type {any} */ (null));
  let asked = false;
  return function Lazy(props) {
    if (!asked) {
      asked = true;
      Promise.all([load(), styled && stylesheet("css/later.css")]).then(([loaded]) => (component.value = loaded), () => {
        asked = false; // shown again, it is asked for again
        component.value = Unreachable;
      });
    }
    return component.value ? html`<${component.value} ...${props} />` : what && html`<${Loading} what=${what} />`;
  };
}

function Unreachable() {
  return html`<p class="caution" role="alert">This part of the page did not load. Is proflite serve still running?</p>`;
}
