// The SQL editor. CodeMirror is loaded when the page is first opened, and lives in a
// shadow root: the content policy forbids the style elements it adds to a page, while a
// shadow root takes constructed sheets.

import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { schema } from "../model/sql.js";

/**
 * @param {{given: {text: string}, onChange: (text: string) => void, onRun: () => void}} props
 *   `given`: what to show; a new object replaces what was typed
 */
export function Editor({ given, onChange, onRun }) {
  const host = useRef(null);
  const view = useRef(/** @type {any} */ (null));
  const calls = useRef({ given, onChange, onRun });
  const [failed, setFailed] = useState(false);
  calls.current = { given, onChange, onRun };
  useEffect(() => {
    let gone = false;
    makeEditor(host.current, calls).then((made) => {
      if (gone) made.destroy();
      else view.current = made;
    }, () => setFailed(true));
    return () => {
      gone = true;
      view.current?.destroy();
    };
  }, []);
  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== given.text) editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: given.text } });
  }, [given]);
  if (failed) return html`<textarea class="sql-editor code" aria-label="SQL" spellcheck="false" defaultValue=${given.text} onInput=${(event) => onChange(event.currentTarget.value)} />`;
  return html`<div class="sql-editor" ref=${host} />`;
}

async function makeEditor(host, calls) {
  const cm = await import("../vendor/codemirror.js");
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  root.replaceChildren();
  const language = new cm.Compartment();
  const sql = (tables) => cm.sql({ dialect: cm.SQLite, schema: tables, upperCaseKeywords: true });
  const run = () => (calls.current.onRun(), true);
  const view = new cm.EditorView({
    root, parent: root,
    state: cm.EditorState.create({
      doc: calls.current.given.text,
      extensions: [
        cm.keymap.of([{ key: "Mod-Enter", run }]), cm.lineNumbers(), cm.history(), cm.drawSelection(), cm.bracketMatching(), cm.closeBrackets(),
        cm.autocompletion(), cm.highlightActiveLine(), language.of(sql({})), cm.syntaxHighlighting(highlight(cm)),
        cm.keymap.of([...cm.closeBracketsKeymap, ...cm.defaultKeymap, ...cm.historyKeymap, ...cm.completionKeymap]),
        cm.EditorView.lineWrapping, look(cm), cm.EditorView.contentAttributes.of({ "aria-label": "SQL" }),
        cm.EditorView.updateListener.of((update) => update.docChanged && calls.current.onChange(update.state.doc.toString())),
      ],
    }),
  });
  schema().then((tables) => view.dispatch({ effects: language.reconfigure(sql(tables)) }), () => {});
  return view;
}

/** Colours from the page's own tokens: they follow the theme by themselves. */
function highlight({ HighlightStyle, tags }) {
  return HighlightStyle.define([
    { tag: tags.keyword, color: "var(--accent)" },
    { tag: [tags.string, tags.special(tags.string)], color: "var(--code-string)" },
    { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
    { tag: tags.comment, color: "var(--text-muted)", fontStyle: "italic" },
  ]);
}

function look({ EditorView }) {
  return EditorView.theme({
    "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--surface)", fontSize: "var(--size-small)" },
    "&.cm-focused": { outline: "none" },
    ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "18px" },
    ".cm-content": { caretColor: "var(--text)" },
    ".cm-cursor": { borderLeftColor: "var(--text)" },
    ".cm-gutters": { backgroundColor: "var(--surface-bar)", color: "var(--text-muted)", border: "0" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--surface-hover)" },
    "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--surface-chosen) !important" },
    ".cm-tooltip": { backgroundColor: "var(--surface-raised)", color: "var(--text)", border: "1px solid var(--line-strong)", borderRadius: "var(--radius)" },
    ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--surface-chosen)", color: "var(--text)" },
  });
}
