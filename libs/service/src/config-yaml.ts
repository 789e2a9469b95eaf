import { isMap, isScalar, LineCounter, parseDocument, type Node } from 'yaml';
import type { ConfigProblem, ConfigTree, Sources } from './config-problem.ts';
import { safeMessage } from './safe-message.ts';

export type YamlInput = {
  readonly section: string;
  readonly yamlFile: string;
  readonly readFile: (path: string) => string;
  readonly sources: Sources;
  readonly problems: ConfigProblem[];
};

/** One section of the file; notes the line of each key in `sources` and each mistake in `problems`. */
export function yamlSection({ section, yamlFile, readFile, sources, problems }: YamlInput): ConfigTree {
  const text = textOf(yamlFile, readFile, problems);
  if (text === undefined) return {};
  const lineCounter = new LineCounter();
  // The library's own messages show the line they complain about, which may hold a secret: only its code is repeated.
  const document = parseDocument(text, { lineCounter, prettyErrors: false, merge: false });
  for (const { code, pos } of document.errors) {
    const { line } = lineCounter.linePos(pos[0]);
    problems.push({
      path: '',
      source: `${yamlFile}:${line}`,
      problem: `Not readable as YAML (${code}).`,
      fix: 'Correct that line.',
    });
  }
  if (document.errors.length > 0 || document.contents === null) return {};
  const root: unknown = document.contents;
  if (!isMap(root)) {
    problems.push({
      path: '',
      source: yamlFile,
      problem: 'The file is no mapping of sections.',
      fix: `Start it with "${section}:".`,
    });
    return {};
  }
  const found = root.items.find(item => isScalar(item.key) && item.key.value === section);
  if (found === undefined) return {};
  const node = found.value;
  if (isScalar(node) && node.value === null) return {};
  if (!isMap(node)) {
    problems.push({
      path: '',
      source: yamlFile,
      problem: `"${section}" is no mapping.`,
      fix: 'Indent its keys below it.',
    });
    return {};
  }
  noteLines(node, [], yamlFile, lineCounter, sources);
  return node.toJS(document) as ConfigTree;
}

function textOf(yamlFile: string, readFile: (path: string) => string, problems: ConfigProblem[]): string | undefined {
  try {
    return readFile(yamlFile);
  } catch (error) {
    problems.push({
      path: '',
      source: yamlFile,
      problem: `Could not be read (${safeMessage(error)}).`,
      fix: 'Check the path and the rights.',
    });
    return undefined;
  }
}

function noteLines(node: Node, path: readonly string[], file: string, lines: LineCounter, sources: Sources): void {
  if (!isMap(node)) return;
  for (const { key, value } of node.items) {
    if (!isScalar(key)) continue;
    const here = [...path, String(key.value)];
    sources.set(here.join('.'), `${file}:${lines.linePos(key.range?.[0] ?? 0).line}`);
    if (value !== null) noteLines(value as Node, here, file, lines, sources);
  }
}
