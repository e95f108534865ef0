// The menu of what can be done with a function.

import { html, useLayoutEffect, useRef } from "../vendor/preact.js";
import { functionActions } from "./actions.js";
import { openedMenu } from "./dialogs.js";

function close() {
  const back = openedMenu.peek()?.back;
  openedMenu.value = null;
  back?.focus?.({ preventScroll: true });
}

export function Menu() {
  return openedMenu.value && html`<${Opened} key=${openedMenu.value} ...${openedMenu.value} />`;
}

function Opened({ entry, x, y }) {
  const ref = useRef(null);
  useLayoutEffect(() => {
    const menu = ref.current;
    const { offsetWidth, offsetHeight } = menu;
    menu.style.left = `${Math.max(4, Math.min(x, innerWidth - offsetWidth - 8))}px`;
    menu.style.top = `${Math.max(4, Math.min(y, innerHeight - offsetHeight - 8))}px`;
    menu.querySelector("[role=menuitem]").focus();
    const outside = (event) => menu.contains(event.target) || close();
    addEventListener("pointerdown", outside, true);
    return () => removeEventListener("pointerdown", outside, true);
  }, []);
  const actions = functionActions(entry);
  const run = (action) => {
    close();
    action.run();
  };
  return html`<div ref=${ref} class="menu" role="menu" aria-label=${`What to do with ${entry.short}`} onKeyDown=${onKey}
      onContextMenu=${(event) => event.preventDefault()}>
    <div class="menu-title code">${entry.short}</div>
    ${actions.map((action) => html`<button type="button" role="menuitem" key=${action.id} tabindex="-1" data-action=${action.id}
      onClick=${() => run(action)}><span>${action.label}</span>${action.keys && html`<kbd>${action.keys}</kbd>`}</button>`)}
  </div>`;
}

function onKey(event) {
  const items = [...event.currentTarget.querySelectorAll("[role=menuitem]")];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to !== undefined) items[(to + items.length) % items.length].focus();
  else if (event.key === "Escape" || event.key === "Tab") close();
  else if (event.key !== "Enter" && event.key !== " ") return;
  else return event.stopPropagation(); // the button's own click
  event.preventDefault();
  event.stopPropagation();
}
