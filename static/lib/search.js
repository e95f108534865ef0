// Search: plain text, or /a regular expression/. A lower-case query ignores case, one
// with a capital respects it. A function matches by its name or its module.

/**
 * @param {string} text as typed
 * @returns {{test: ((text: string) => boolean)|null, error: string}}
 */
export function compileQuery(text) {
  const query = text.trim();
  if (query === "") return { test: null, error: "" };
  const pattern = /^\/(.+?)\/?$/.exec(query);
  if (pattern) return compilePattern(pattern[1]);
  if (query !== query.toLowerCase())
    return { test: (name) => name.includes(query), error: "" };
  return { test: (name) => name.toLowerCase().includes(query), error: "" };
}

function compilePattern(source) {
  const plain = source.replace(/\\./g, ""); // \S is no capital letter
  try {
    const regex = new RegExp(source, plain === plain.toLowerCase() ? "i" : "");
    return { test: (name) => regex.test(name), error: "" };
  } catch (error) {
    return { test: null, error: String(error.message).replace(/^Invalid regular expression: /, "") };
  }
}

/**
 * @param {{name: string[], module: string[]}} functions
 * @param {(text: string) => boolean} test
 * @returns {Uint8Array} 1 for each function that matches; the root's entry is 0
 */
export function matchFunctions(functions, test) {
  const matches = new Uint8Array(functions.name.length + 1);
  const modules = new Map();
  functions.name.forEach((name, i) => {
    const module = functions.module[i];
    if (!modules.has(module)) modules.set(module, module !== "" && test(module));
    matches[i] = modules.get(module) || test(name) ? 1 : 0;
  });
  return matches;
}

/**
 * What the matches weigh, a match inside a match counted once.
 * @param {import("./flame-model.js").FlameModel} model
 * @param {Uint8Array} matches by function
 * @param {number} root only within this node's subtree
 * @returns {{nodes: number[], total: number, functions: number}} outermost matches,
 *   left to right; their weight; how many functions match
 */
export function matchedNodes(model, matches, root = 0) {
  const nodes = [];
  let total = 0;
  const end = model.subtreeEnd[root];
  for (let i = root; i < end;) {
    if (matches[model.fn[i]] === 0) {
      i++;
      continue;
    }
    nodes.push(i);
    total += model.total[i];
    i = model.subtreeEnd[i];
  }
  const functions = matches.reduce((sum, match) => sum + match, 0);
  return { nodes, total, functions };
}
