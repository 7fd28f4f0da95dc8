import type { KeyParts } from '../cache/key.js';
import type { AddInstruction, CopyInstruction, CopySource } from '../dockerfile/ast.js';
import { hasWildcard } from '../dockerfile/go-match.js';
import {
  compilePathPattern,
  parsePathPatterns,
  PathPatterns,
} from '../dockerfile/path-patterns.js';
import type { LayerId } from '../layer/types.js';
import { byteNameOf } from '../util/byte-name.js';
import { nextWorkdir } from './container-settings.js';
import type { Destination } from './copy-apply.js';
import type { CopyGroup, GatherOptions } from './copy-group.js';
import { gather } from './copy-group.js';
import type { SourceFiles } from './copy-source.js';
import { findMatches, splitParentsWord } from './copy-source.js';
import type { ModeChange } from './file-mode.js';
import { parseModeChange } from './file-mode.js';
import { editImage, withAccounts } from './image-access.js';
import type { Owner } from './image-users.js';
import { resolveOwner } from './image-users.js';
import { InlineFiles } from './inline-files.js';
import type { Session } from './session.js';
import type { RemoteFiles } from './sources/add-sources.js';
import type { StageState } from './state.js';
import { UserError } from '../util/errors.js';

/** COPY or ADD, expanded, in a stage's state. */
export interface CopyStep {
  readonly instruction: CopyInstruction | AddInstruction;
  readonly state: StageState;
}

/** A {@link CopyStep} whose sources were found and walked. */
export interface GatheredCopy extends CopyStep {
  readonly groups: readonly CopyGroup[];
  readonly changeMode: ModeChange | undefined;
}

/**
 * Finds and walks the sources. `files`: what path sources are of; `remote`: sources that were
 * fetched.
 */
export async function gatherCopy<Node>(
  session: Session,
  step: CopyStep,
  files: SourceFiles<Node>,
  remote: ReadonlyMap<CopySource, RemoteFiles> = new Map(),
): Promise<GatheredCopy> {
  const { instruction } = step;
  const { chmod, excludes } = instruction;
  const changeMode = chmod === undefined ? undefined : parseModeChange(chmod);
  const exclude = excludes.length === 0 ? undefined : parsePathPatterns(excludes);
  const parents = isParents(step);
  const unpack = instruction.kind === 'add' && (instruction.unpack ?? true);
  const options: GatherOptions = { signal: session.signal, unpack, filter: { exclude } };
  const groups: CopyGroup[] = [];
  for (const source of pathsFirst(instruction.sources)) {
    if (source.kind === 'inline') {
      const inline = new InlineFiles([source], session.createdMs());
      const match = { path: byteNameOf(source.name), node: source };
      groups.push(await gather(inline, [match], { ...options, unpack: false }));
      continue;
    }
    const fetched = remote.get(source);
    if (fetched !== undefined) {
      const { match, unpack } = fetched;
      groups.push(await gather(fetched.files, [match], { ...options, unpack }));
      continue;
    }
    const group = parents
      ? await gatherParents(files, source.path, options)
      : await gather(files, findMatches(files, source.path), options);
    groups.push(group);
    if (group.sources > 0 && (!parents || group.hasEntries)) continue;
    const message = `"${source.path}" matches nothing in ${files.what}`;
    session.progress.warn({ message, source: instruction.source });
  }
  return { ...step, groups, changeMode };
}

/** The order in which sources are copied: a heredoc replaces a file of its name. */
function pathsFirst(sources: readonly CopySource[]): CopySource[] {
  const [paths, inline] = [[], []] as [CopySource[], CopySource[]];
  for (const source of sources) (source.kind === 'path' ? paths : inline).push(source);
  return [...paths, ...inline];
}

/** `--parents`: what matches below the pivot, with the directories above it. */
async function gatherParents<Node>(
  files: SourceFiles<Node>,
  word: string,
  options: GatherOptions,
): Promise<CopyGroup> {
  const { pivot, pattern } = splitParentsWord(word);
  const include = pattern === '' ? undefined : new PathPatterns([compilePathPattern(pattern)]);
  const matches = findMatches(files, pivot, word).filter(
    ({ node }) => files.info(node).kind === 'dir',
  );
  const filter = { ...options.filter, include };
  const group = await gather(files, matches, { ...options, filter });
  if (group.hasEntries || pattern === '' || hasWildcard(word)) return group;
  // Not found, unless a link or --exclude is the reason.
  findMatches(files, `${pivot}/${pattern}`, word);
  const hint = options.filter.exclude === undefined ? LINK_HINT : 'The --exclude leaves it out';
  throw new UserError('TSB_COPY', `Cannot copy "${word}": not found in ${files.what}`, { hint });
}

const LINK_HINT =
  'It is behind a symbolic link: write /./ behind the link, or the path that it leads to';

/**
 * What the result depends on, content included. Names of `--chown` stand for themselves: the
 * parent decides whom they mean. Of a linked copy the parent matters for nothing else.
 */
export async function copyParts(session: Session, step: GatheredCopy): Promise<KeyParts> {
  const contents: string[] = [];
  for (const group of step.groups) contents.push(await group.digest(step.changeMode));
  return [...commonParts(session, step), ['content', contents]];
}

/**
 * What a copy from a stage, an image or a URL depends on when nobody looks at its files: the key
 * of what made them.
 */
export function definitionParts(
  session: Session,
  step: CopyStep,
  from: Pick<StageState, 'key'>,
): KeyParts {
  const { sources, excludes } = step.instruction;
  const words = sources.map((source) =>
    source.kind === 'path' ? ['path', source.path] : ['inline', source.name, source.data],
  );
  return [
    ...commonParts(session, step),
    ['from', from.key],
    ['sources', [words, isParents(step), excludes]],
  ];
}

/** Copies everything and publishes the layer. */
export async function executeCopy(session: Session, step: GatheredCopy): Promise<LayerId> {
  const { instruction, state, groups, changeMode } = step;
  const owner = ownerOf(session, step);
  const count = groups.reduce((sum, { sources }) => sum + sources, 0);
  const destination: Destination = { ...destinationOf(step), several: count > 1 };
  const changes = { owner, changeMode };
  const target = { destination, changes, nowMs: session.createdMs(), signal: session.signal };
  let archives = 0;
  const layer = await editImage(
    session,
    state,
    async (tree) => {
      for (const group of groups) archives += (await group.copy({ ...target, tree })).archives;
    },
    { alone: instruction.link, source: instruction.source },
  );
  if (archives > 0) warnOfUnused(session, instruction);
  return layer;
}

/** What an archive holds keeps its modes, and all of it is unpacked, as with BuildKit. */
function warnOfUnused(session: Session, instruction: CopyStep['instruction']): void {
  const { chmod, excludes, source } = instruction;
  const flags = [
    ...(chmod === undefined ? [] : ['--chmod']),
    ...(excludes.length === 0 ? [] : ['--exclude']),
  ];
  for (const flag of flags) {
    const message = `${flag} does not apply to what is unpacked from an archive`;
    session.progress.warn({ message, source });
  }
}

/**
 * The parent is a part, unless the copy is linked: then only the ids that its names have there
 * are.
 */
function commonParts(session: Session, step: CopyStep): KeyParts {
  const { instruction, state } = step;
  const { kind, chown, chmod, link } = instruction;
  const { path, isDirectory } = destinationOf(step);
  const owner = link ? ownerOf(session, step) : undefined;
  const unpack = kind === 'add' ? instruction.unpack : undefined;
  return [
    ['parent', link ? undefined : state.key],
    ['instruction', [kind, path, isDirectory, link ? undefined : chown, chmod, link, unpack]],
    ['owner', owner && [owner.uid, owner.gid]],
    ['epoch', session.options.sourceDateEpoch],
  ];
}

function isParents({ instruction }: CopyStep): boolean {
  return instruction.kind === 'copy' && instruction.parents;
}

/** A path that ends in a slash or a dot is a directory's, and relative to the WORKDIR. */
function destinationOf({ instruction, state }: CopyStep): Omit<Destination, 'several'> {
  const { destination } = instruction;
  const path = nextWorkdir(state.image.config?.WorkingDir ?? '/', destination);
  return { path, isDirectory: /(^|\/)\.{0,2}$/.test(destination) };
}

function ownerOf(session: Session, { instruction, state }: CopyStep): Owner | undefined {
  const { chown } = instruction;
  if (chown === undefined || chown === '') return undefined;
  if (/^\d+(:\d+)?$/.test(chown)) return resolveOwner(chown, { users: [], groups: [] });
  return withAccounts(session, state, (accounts) => resolveOwner(chown, accounts));
}
