// Types of preact.js, for tsc only.
export { Fragment, h, render } from "preact";
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal, untracked, useComputed, useSignal, useSignalEffect, Signal, ReadonlySignal } from "@preact/signals";
export function html(strings: TemplateStringsArray, ...values: any[]): any;
