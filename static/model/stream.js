// Follows recordings that are going on, or waits for the first one: the server says when
// the store has advanced, and what is on screen is asked for again, at most once a
// second. Browsers allow few connections to one host, so of all tabs one holds the
// stream and tells the others.

import { effect, signal } from "../vendor/preact.js";
import { get, send } from "../api.js";
import { generation } from "./data.js";
import { following, paused } from "./live.js";

const leastMs = 1000;
const retryMs = 3000;
const channelName = "proflite-live";

const hidden = signal(document.hidden);
document.addEventListener("visibilitychange", () => (hidden.value = document.hidden));

let seen = /** @type {string|number|null} */ (null);
let timer = 0;
let lastShown = 0;

/** A generation was told: show it now, or when a second has passed. */
function told(now) {
  if (now === seen) return;
  seen = now;
  clearTimeout(timer);
  timer = setTimeout(() => {
    lastShown = performance.now();
    generation.value = seen;
  }, Math.max(0, lastShown + leastMs - performance.now()));
}

const channel = new BroadcastChannel(channelName + location.port);
channel.addEventListener("message", (event) => told(event.data));

/** Hold the stream until aborted; only the tab with the lock does. */
async function hold(signal) {
  await navigator.locks.request(channelName + location.port, { signal }, async () => {
    while (!signal.aborted) {
      try {
        await listen(signal);
      } catch {
        // The server went, or has no stream: what the page needs reports its own errors.
      }
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }).catch(() => {});
}

/** Server-sent events by fetch: an EventSource could not carry the token. */
async function listen(signal) {
  const response = await send("api/v1/events", { signal, headers: { Accept: "text/event-stream" } });
  if (!response.ok || !response.body) return poll();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data:")) publish(JSON.parse(line.slice(5)).generation);
  }
}

async function poll() {
  publish((await get("meta")).generation);
}

function publish(now) {
  channel.postMessage(now);
  told(now);
}

effect(() => {
  if (!following.value || paused.value || hidden.value) return undefined;
  const abort = new AbortController();
  hold(abort.signal);
  return () => abort.abort();
});
