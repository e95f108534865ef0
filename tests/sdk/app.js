// A program under a Sentry SDK: sdk DSN MODE, run in the folder of the version.
//   manual: continuous profiling, started and stopped by hand
//   trace:  continuous profiling while transactions run
//   v1:     a profile with each transaction
const path = require("node:path");
const load = (name) => require(require.resolve(name, { paths: [process.argv[2]] }));
const Sentry = load("@sentry/node");
const { nodeProfilingIntegration } = load("@sentry/profiling-node");
const [dsn, mode] = process.argv.slice(3);

const options = {
  dsn,
  release: `sdk-${path.basename(process.argv[2])}@1`,
  environment: mode,
  tracesSampleRate: 1,
  integrations: [nodeProfilingIntegration()],
};
if (mode === "v1") options.profilesSampleRate = 1;
else Object.assign(options, { profileSessionSampleRate: 1, profileLifecycle: mode });
Sentry.init(options);

function burn(ms) {
  const until = Date.now() + ms;
  let x = 0;
  while (Date.now() < until) x += Math.sqrt(x + 1);
  return x;
}

async function main() {
  if (mode === "manual") Sentry.profiler.startProfiler();
  for (let i = 0; i < 3; i++)
    await Sentry.withIsolationScope(() =>
      Sentry.startSpan({ name: `job-${i}`, op: "task" }, async () => {
        burn(150);
        await new Promise((done) => setTimeout(done, 60));
      }));
  if (mode === "manual") Sentry.profiler.stopProfiler();
  await new Promise((done) => setTimeout(done, 300));
  await Sentry.flush(5000);
  await Sentry.close(5000);
}
main();
