import { statSync } from 'node:fs';
import path from 'node:path';
import { isDigest } from '../../oci/digest.js';
import type { ImageSource } from '../../oci/image-source.js';
import { formatFamiliar, parseReference } from '../../oci/reference.js';
import type { GitUrl } from '../../remote/git-url.js';
import { parseContextWord } from '../../remote/context-word.js';
import type { HttpUrl } from '../../remote/http-url.js';
import { UserError } from '../../util/errors.js';
import { suggest } from '../../util/suggest.js';

/** Files that a named context has, and no settings of an image. */
export type FileContext =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'git'; readonly url: GitUrl }
  | { readonly kind: 'http'; readonly target: HttpUrl };

/** What `--build-context NAME=…` puts in the place of a stage or an image. */
export type NamedContext =
  | FileContext
  | { readonly kind: 'scratch' }
  | { readonly kind: 'image'; readonly source: ImageSource; readonly text: string }
  | { readonly kind: 'target'; readonly stage: string };

/** The named contexts of a build; names mean the same as images do. */
export class NamedContexts {
  readonly #contexts = new Map<string, NamedContext>();
  readonly #used = new Set<string>();

  /** Values by name, as on the command line. UserError TSB_USAGE, TSB_CONTEXT, TSB_PARSE. */
  constructor(values: Readonly<Record<string, string>>) {
    for (const [name, value] of Object.entries(values)) {
      const normal = normalName(name);
      if (normal === undefined) {
        throw new UserError('TSB_USAGE', `Cannot use --build-context ${name}=…: it is no name`, {
          hint: 'Write the name of a stage or an image, in lower case',
        });
      }
      this.#contexts.set(normal, parseNamedContext(name, value));
    }
  }

  /** What stands in the place of a stage or image; undefined: nothing. */
  find(name: string): NamedContext | undefined {
    if (this.#contexts.size === 0) return undefined;
    const normal = normalName(name);
    const found = normal === undefined ? undefined : this.#contexts.get(normal);
    if (found !== undefined && normal !== undefined) this.#used.add(normal);
    return found;
  }

  /** Names that nothing has asked for. */
  unused(): readonly string[] {
    return [...this.#contexts.keys()].filter((name) => !this.#used.has(name));
  }
}

/** `docker.io/library/alpine:latest` and `alpine` are one; undefined: no image has that name. */
function normalName(name: string): string | undefined {
  try {
    return formatFamiliar(parseReference(name)).replace(/:latest$/, '');
  } catch (error) {
    if (error instanceof UserError && error.code === 'TSB_REFERENCE') return undefined;
    throw error;
  }
}

const IMAGE = /^docker-image:\/\//;
const LAYOUT = /^oci-layout:\/\//;
const TARGET = /^target:/;
const PREFIXES = ['docker-image', 'oci-layout', 'target', 'https', 'http', 'git', 'ssh'];

function parseNamedContext(name: string, value: string): NamedContext {
  const fail = (found: string, hint?: string): UserError =>
    new UserError('TSB_USAGE', `Cannot use --build-context ${name}="${value}": ${found}`, {
      ...(hint !== undefined && { hint }),
    });
  if (value === '') throw fail('it is empty', `Write --build-context ${name}=DIRECTORY`);
  if (IMAGE.test(value)) {
    const text = value.replace(IMAGE, '');
    if (text === 'scratch') return { kind: 'scratch' };
    return { kind: 'image', source: { kind: 'reference', reference: parseReference(text) }, text };
  }
  if (LAYOUT.test(value)) {
    return { kind: 'image', source: parseLayout(value.replace(LAYOUT, ''), fail), text: value };
  }
  if (TARGET.test(value)) {
    const stage = value.replace(TARGET, '');
    if (stage === '') throw fail('it names no stage', 'Write target:STAGE');
    return { kind: 'target', stage };
  }
  const prefix = /^([a-z][a-z0-9-]*):\/\//i.exec(value)?.[1]?.toLowerCase();
  if (prefix !== undefined && !PREFIXES.includes(prefix)) {
    const near = suggest(prefix, PREFIXES);
    throw fail(`found ${prefix}://`, near === undefined ? undefined : `Did you mean "${near}://"?`);
  }
  const word = parseContextWord(value, isDirectory);
  if (word.kind === 'stdin') throw fail('standard input is for the main context');
  if (word.kind !== 'directory') return word;
  if (!isDirectory(word.path)) {
    throw new UserError(
      'TSB_CONTEXT',
      `Cannot use --build-context ${name}="${value}": there is no such directory`,
      { hint: `For an image: --build-context ${name}=docker-image://${value}` },
    );
  }
  return { kind: 'directory', path: path.resolve(word.path) };
}

/** `PATH[:TAG][@DIGEST]`. */
function parseLayout(text: string, fail: (found: string) => UserError): ImageSource {
  const at = text.lastIndexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) throw fail(`"${digest}" is no digest`);
  const rest = at < 0 ? text : text.slice(0, at);
  const colon = rest.indexOf(':', rest.lastIndexOf('/') + 1);
  const dir = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (dir === '' || tag === '') throw fail('want PATH, PATH:TAG or PATH@DIGEST');
  return {
    kind: 'oci',
    dir: path.resolve(dir),
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  };
}

function isDirectory(file: string): boolean {
  // Node throws for a name that no file can have.
  if (file.includes('\0')) return false;
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}
