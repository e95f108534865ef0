// What to copy to send profiles here, for each kind of program.

/**
 * @param {string} dsn of a project, "" when none was made yet
 * @param {string} host of this server, with its port
 * @returns {{id: string, name: string, steps: {text: string, code?: string}[]}[]}
 */
export function snippets(dsn, host) {
  const shown = dsn || `http://KEY@${host}/1`;
  const makeDsn = dsn ? [] : [{ text: "Make a DSN for the SDK first:", code: "proflite dsn" }];
  return [
    {
      id: "record", name: "Any program",
      steps: [{ text: "No change of code. Every thread and every child process is recorded:", code: "proflite record -- ./your-program its arguments" }],
    },
    {
      id: "link", name: "C, C++",
      steps: [
        { text: "Always on, in your program. It writes the store itself:", code: cSnippet },
        { text: "Link it:", code: "cc app.c $(pkg-config --cflags --libs proflite) -o app" },
      ],
    },
    {
      id: "python", name: "Python",
      steps: [...makeDsn, {
        text: "With Sentry's SDK:",
        code: `import sentry_sdk

sentry_sdk.init(
    dsn="${shown}",
    traces_sample_rate=1.0,
    profile_session_sample_rate=1.0,
    profile_lifecycle="trace",
)`,
      }],
    },
    {
      id: "node", name: "Node",
      steps: [...makeDsn, {
        text: "With @sentry/node and @sentry/profiling-node:",
        code: `const Sentry = require("@sentry/node");
const { nodeProfilingIntegration } = require("@sentry/profiling-node");

Sentry.init({
  dsn: "${shown}",
  integrations: [nodeProfilingIntegration()],
  tracesSampleRate: 1.0,
  profileSessionSampleRate: 1.0,
  profileLifecycle: "trace",
});`,
      }],
    },
    {
      id: "browser", name: "Browser",
      steps: [...makeDsn, {
        text: "With @sentry/browser; the page's server must send Document-Policy: js-profiling:",
        code: `Sentry.init({
  dsn: "${shown}",
  integrations: [Sentry.browserTracingIntegration(), Sentry.browserProfilingIntegration()],
  tracesSampleRate: 1.0,
  profilesSampleRate: 1.0,
});`,
      }],
    },
  ];
}

const cSnippet = `#include <proflite.h>

int main(void)
{
    proflite_options options = PROFLITE_OPTIONS_INIT;
    options.app = "checkout";
    proflite_init(&options);
    proflite_start();
    return run_everything();
}`;
