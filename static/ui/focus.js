// Where the keyboard goes: on, when what it was on is gone (a chip taken off, a panel
// closed, another page), and from one of many to the next by arrow keys.

const tabbable = "a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), [tabindex='0']";

/** What has had the focus last, and all it stood in. @type {HTMLElement[]} */
let way = [];

function onFocus(event) {
  way = [];
  for (let one = event.target; one instanceof HTMLElement && one !== document.body; one = one.parentElement) way.push(one);
}

const usable = (element) => element.isConnected && !element.matches(":disabled");

/** To what is left of where it was, else to the page's content. */
function goOn() {
  if (document.activeElement !== document.body || way.length === 0 || usable(way[0])) return;
  const place = way.find((one, i) => i > 0 && one.isConnected && one.id !== "app" && one.querySelector(tabbable));
  if (place) /** @type {HTMLElement} */ (place.querySelector(tabbable)).focus({ preventScroll: true });
  else toMain();
}

/** To the content of the page, before its first part. */
export function toMain() {
  const main = document.querySelector("main");
  if (!main) return;
  main.tabIndex = -1;
  main.focus({ preventScroll: true });
}

/** From now on no key press leaves the focus nowhere. */
export function keepFocus() {
  addEventListener("focusin", onFocus, true);
  addEventListener("keydown", (event) => {
    goOn(); // what went away meanwhile
    if (event.key !== "Tab") requestAnimationFrame(() => requestAnimationFrame(goOn));
  }, true);
}

const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12, Home: -Infinity, End: Infinity };

/**
 * Where a key leads in a list.
 * @param {string} key @param {number} at @param {number} count
 * @returns {number} -1: it leads nowhere
 */
export function moveIn(key, at, count) {
  return key in moves && count > 0 ? Math.max(0, Math.min(count - 1, at + moves[key])) : -1;
}

/** Of many buttons one is a stop of the Tab key. @param {HTMLElement[]} buttons @param {HTMLElement} stop */
export function stopAt(buttons, stop) {
  for (const one of buttons) one.tabIndex = one === stop ? 0 : -1;
}
