// npm run docs: writes docs/api from the docstrings of what the package exports, as the build
// has left them in its declaration files. With `--check` it only tells whether they are current.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import prettier from 'prettier';
import ts from 'typescript';
import { ROOT, ensureBuilt } from './lib/project.js';

/** Entry points of the package, and what their pages are called. */
const PAGES = [
  { module: 'tsbuild/fuse', entry: 'src/fuse/index.d.ts', page: 'docs/api/fuse.md' },
  {
    module: 'tsbuild/fuse-native',
    entry: 'src/fuse-native/index.d.ts',
    page: 'docs/api/fuse-native.md',
  },
  { module: 'tsbuild', entry: 'src/index.d.ts', page: 'docs/api/tsbuild.md' },
];
const NOTE = 'Made by `npm run docs` out of the docstrings: edit those.';

function parse(file) {
  return ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022, true);
}

function nameOf(statement) {
  const [first] = statement.declarationList?.declarations ?? [];
  return (statement.name ?? first?.name)?.getText();
}

function isExported(statement) {
  return statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

/** The declarations that an entry point exports: by name, and in its order. */
function exportsOf(entry) {
  const found = new Map();
  for (const statement of parse(entry).statements) {
    if (!ts.isExportDeclaration(statement)) continue;
    const file = join(dirname(entry), statement.moduleSpecifier.text.replace(/\.js$/, '.d.ts'));
    const names = statement.exportClause?.elements.map(({ name }) => name.text);
    for (const declaration of parse(file).statements) {
      const name = nameOf(declaration);
      if (name === undefined || !isExported(declaration)) continue;
      if (names === undefined || names.includes(name)) found.set(name, declaration);
    }
  }
  return found;
}

/** A docstring as Markdown. */
function docOf(node) {
  const [doc] = node.jsDoc ?? [];
  if (doc === undefined) return '';
  const text = doc
    .getText()
    .replace(/^\/\*\*|\*\/$/g, '')
    .replace(/^\s*\* ?/gm, '');
  return text.replace(/\{@link (\w+)\}/g, '[$1](#$1)').trim();
}

/** A declaration without its docstring and without what callers cannot use. */
function codeOf(declaration) {
  return declaration
    .getText()
    .replace(/^export (?:declare )?/, '')
    .replace(/^\s*#private;\n/gm, '')
    .replace(/^\s*private constructor.*;\n/gm, '')
    .replace(/\{@link (\w+)\}/g, '$1');
}

/** Headings in the alphabet's order; links go to the lower-case name. */
async function pageOf({ module, entry }) {
  const exported = [...exportsOf(join(ROOT, 'dist', entry))].sort(([a], [b]) => (a < b ? -1 : 1));
  const names = new Set(exported.map(([name]) => name));
  const sections = exported.map(([name, declaration]) => {
    const doc = docOf(declaration).replace(/\[(\w+)\]\(#\w+\)/g, (_, to) =>
      names.has(to) ? `[\`${to}\`](#${to.toLowerCase()})` : `\`${to}\``,
    );
    return `## ${name}\n\n${doc}\n\n\`\`\`ts\n${codeOf(declaration)}\n\`\`\`\n`;
  });
  const text = `# ${module}\n\n${NOTE}\n\n${sections.join('\n')}`;
  const options = await prettier.resolveConfig(join(ROOT, 'x.md'));
  return await prettier.format(text, { ...options, parser: 'markdown' });
}

function readPage(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return '';
    throw error;
  }
}

ensureBuilt();
for (const page of PAGES) {
  const file = join(ROOT, page.page);
  const text = await pageOf(page);
  if (readPage(file) === text) continue;
  if (process.argv.includes('--check')) {
    console.error(`Cannot accept '${page.page}': it is not what the docstrings say: npm run docs`);
    process.exitCode = 1;
    continue;
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
