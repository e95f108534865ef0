// Types of uplot.js, for tsc only.
export { default } from "uplot";
