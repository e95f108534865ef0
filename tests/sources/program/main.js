// A shop under a Sentry SDK: shop.js SDK-FOLDER DSN
import path from "node:path";
import { createRequire } from "node:module";
import { totalOfCart } from "./cart.js";

const load = createRequire(path.join(process.argv[2], "package.json"));
const Sentry = load("@sentry/node");
const { nodeProfilingIntegration } = load("@sentry/profiling-node");

Sentry.init({
  dsn: process.argv[3],
  release: "shop@1",
  profileSessionSampleRate: 1,
  profileLifecycle: "manual",
  integrations: [nodeProfilingIntegration()],
});

function runShop() {
  let total = 0;
  for (let i = 0; i < 4; i++) total += totalOfCart([1, 2, 3], 150);
  return total;
}

Sentry.profiler.startProfiler();
runShop();
Sentry.profiler.stopProfiler();
setTimeout(async () => {
  await Sentry.flush(5000);
  process.exit(0);
}, 300);
