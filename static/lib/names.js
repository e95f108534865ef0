// Function names, shortened to fit. Demangled C++ and Rust carry their parameters and
// template arguments; the last component is what tells one box from its neighbour, so
// it goes last. Anything that does not parse is left as it is.

const identifierEnd = /[\w$~]$/;

/** Is the text before `at` the word `operator` (so that <, > or ( are its name)? */
function afterOperator(text, at) {
  return /(^|[^\w$])operator[<>=\-!(&|]*$/.test(text.slice(Math.max(0, at - 14), at));
}

/**
 * Drop every balanced group between `open` and `close` that `drops` agrees to.
 * @param {string} text
 * @param {string} open one character
 * @param {string} close one character
 * @param {(before: string, inside: string, at: number) => boolean} drops
 */
function dropGroups(text, open, close, drops) {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    const end = text[i] === open ? groupEnd(text, i, open, close) : -1;
    if (end > 0 && drops(out, text.slice(i + 1, end), i)) i = end;
    else out += text[i];
  }
  return out;
}

function groupEnd(text, from, open, close) {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    if (text[i] === open) depth++;
    else if (text[i] === close && text[i - 1] !== "-" && --depth === 0) return i;
  }
  return -1;
}

/** `a::b<c>(d) const` -> `a::b(d) const`. */
export function withoutTemplates(name) {
  const short = dropGroups(name, "<", ">", (before, _inside, at) => {
    if (afterOperator(name, at)) return false;
    return identifierEnd.test(before) || /(::|\)|operator[<>=]+ )$/.test(before);
  });
  return short.replace(/::(::)+/g, "::").replace(/(::| )$/, "").replace(/(operator[<>=]+) \(/, "$1(");
}

/** `a::b(c) const` -> `a::b`; keeps `(anonymous namespace)` and Go's `(*T)`. */
export function withoutParameters(name) {
  const short = dropGroups(name, "(", ")", (before, inside) => {
    if (before === "" || /[.\s]$/.test(before)) return false;
    if (inside === "anonymous namespace" || before.endsWith("::")) return false;
    return !(inside === "" && /(^|[^\w$])operator$/.test(before));
  });
  return short.replace(/( const| volatile| &&?| noexcept| \[clone [^\]]*\]|\[abi:\w+\])+$/, "");
}

/** `void a::b` -> `a::b`. Only templates' names are demangled with a return type. */
function withoutReturnType(name) {
  const operator = name.search(/(^|[^\w$])operator\b/);
  const head = operator < 0 ? name : name.slice(0, operator + 1);
  let depth = 0;
  for (let i = head.length - 1; i > 0; i--) {
    if (")}]>".includes(head[i])) depth++;
    else if ("({[<".includes(head[i])) depth--;
    else if (head[i] === " " && depth === 0) return name.slice(i + 1);
  }
  return name;
}

/** Parts between top-level `::`. */
function components(name) {
  const parts = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < name.length; i++) {
    if ("({<[".includes(name[i]) && !afterOperator(name, i)) depth++;
    else if (")}>]".includes(name[i]) && !afterOperator(name, i)) depth--;
    else if (depth === 0 && name.startsWith("::", i)) {
      parts.push(name.slice(from, i));
      from = i + 2;
      i++;
    }
  }
  parts.push(name.slice(from));
  return parts.filter((part) => part !== "");
}

const compilerSuffix = /(\.(part|isra|constprop|cold|lto_priv|llvm)(\.\d+)*|\.\d+)+$/;
const unnamed = /^([^+\s]+?)(?:\.so(?:\.[\w.-]+)?)?(\+0x[0-9a-f]+)$/;
const rustHash = /::h[0-9a-f]{16}$/;
const rustQualified = /^<(.+) as ([^<>]+(?:<.*>)?)>::(.+)$/;

/** Names of Java, Python, Go: parts between dots. */
function dottedTails(name) {
  const parts = name.slice(name.lastIndexOf("/") + 1).split(".");
  if (parts.length < 2 || !parts.every((part) => /^[\w$<>*()]+$/.test(part))) return [];
  return parts.length > 2 ? [parts.slice(-2).join("."), parts.at(-1)] : [parts.at(-1)];
}

/** What a function is called where its source does not say. @param {string} name @param {string} [file] of it */
export function nameOr(name, file) {
  return name || (file ? `${file.slice(file.lastIndexOf("/") + 1)}: (no name)` : "(no name)");
}

/**
 * @param {string} name
 * @returns {{variants: string[], plain: string}} ever shorter forms; the one that has
 *   all namespaces but neither parameters nor template arguments
 */
function shorten(name) {
  const variants = [nameOr(name)];
  const add = (text) => {
    if (text && text.length < variants.at(-1).length) variants.push(text);
    return variants.at(-1);
  };
  if (name.startsWith("[") || name === "") return { variants, plain: variants[0] };
  const address = unnamed.exec(name);
  if (address) {
    add(`${address[1]}${address[2]}`); // which library, the row or the tooltip tells
    add(address[2]);
    return { variants, plain: name };
  }

  let plain = add(name.replace(rustHash, ""));
  const qualified = rustQualified.exec(plain);
  if (qualified) plain = add(`${withoutTemplates(qualified[1])}::${qualified[3]}`);
  const hadTemplate = plain.includes("<");
  plain = add(withoutParameters(plain));
  plain = withoutTemplates(plain);
  plain = add(hadTemplate ? withoutReturnType(plain) : plain);

  const short = add(plain.replace(compilerSuffix, ""));
  const parts = components(short);
  if (parts.length > 2) add(parts.slice(-2).join("::"));
  if (parts.length > 1) add(parts.at(-1));
  else dottedTails(short).forEach(add);
  return { variants, plain };
}

/**
 * The name as it was, then ever shorter forms of it.
 * @param {string} name
 * @returns {string[]} at least one, each shorter than the one before
 */
export function nameVariants(name) {
  return shorten(name).variants;
}

/** For tables and sentences: no parameters, no template arguments, all namespaces. */
export function shortName(name) {
  return shorten(name).plain;
}

/**
 * The longest variant of at most `room` characters, else the shortest one cut.
 * @param {string[]} variants from nameVariants
 * @param {number} room characters
 * @returns {string} "" when not even three characters fit
 */
export function fitName(variants, room) {
  for (const text of variants) if (text.length <= room) return text;
  if (room < 3) return "";
  return `${variants.at(-1).slice(0, room - 1)}…`;
}
