// Types of virtual-core.js, for tsc only.
export { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
