// Is there something to follow? What follows it (stream.js) is loaded then.

import { computed, effect, signal } from "../vendor/preact.js";
import { isLive, sessions } from "./data.js";

/** There is something to follow. */
export const following = computed(() => sessions.value.value !== null && (sessions.value.value.length === 0 || isLive.value));

/** The reader wants to look at one picture for a while. */
export const paused = signal(false);

effect(() => {
  if (following.value && !paused.value) import("./stream.js");
});
