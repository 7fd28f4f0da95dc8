import type { KeyParts } from '../cache/key.js';
import type { AddInstruction, CopyInstruction } from '../dockerfile/ast.js';
import type { LayerId } from '../layer/types.js';
import { byteNameOf } from '../util/byte-name.js';
import { nextWorkdir } from './container-settings.js';
import type { Destination } from './copy-apply.js';
import type { CopyGroup } from './copy-group.js';
import { gather } from './copy-group.js';
import type { SourceFiles } from './copy-source.js';
import { findMatches } from './copy-source.js';
import type { ModeChange } from './file-mode.js';
import { parseModeChange } from './file-mode.js';
import { editImage, withAccounts } from './image-access.js';
import type { Owner } from './image-users.js';
import { resolveOwner } from './image-users.js';
import { InlineFiles } from './inline-files.js';
import type { Session } from './session.js';
import type { StageState } from './state.js';

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

/** Finds and walks the sources. `files`: what path sources are of. */
export async function gatherCopy<Node>(
  session: Session,
  step: CopyStep,
  files: SourceFiles<Node>,
): Promise<GatheredCopy> {
  const { instruction } = step;
  const { signal } = session;
  const unpack = instruction.kind === 'add';
  const groups: CopyGroup[] = [];
  for (const source of instruction.sources) {
    if (source.kind === 'inline') {
      const inline = new InlineFiles([source], session.createdMs());
      const match = { path: byteNameOf(source.name), node: source };
      groups.push(await gather(inline, [match], { signal, unpack: false }));
      continue;
    }
    const matches = findMatches(files, source.path);
    if (matches.length === 0) {
      const message = `"${source.path}" matches nothing in ${files.what}`;
      session.progress.warn({ message, source: instruction.source });
    }
    groups.push(await gather(files, matches, { signal, unpack }));
  }
  const { chmod } = instruction;
  const changeMode = chmod === undefined ? undefined : parseModeChange(chmod);
  return { ...step, groups, changeMode };
}

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
 * What a copy from a stage or image depends on when nobody looks at its files: the key of what
 * made them.
 */
export function definitionParts(session: Session, step: CopyStep, from: StageState): KeyParts {
  const sources = step.instruction.sources.map((source) =>
    source.kind === 'path' ? ['path', source.path] : ['inline', source.name, source.data],
  );
  return [...commonParts(session, step), ['from', from.key], ['sources', sources]];
}

/** Copies everything and publishes the layer. */
export async function executeCopy(session: Session, step: GatheredCopy): Promise<LayerId> {
  const { instruction, state, groups, changeMode } = step;
  const owner = ownerOf(session, step);
  const count = groups.reduce((sum, { sources }) => sum + sources, 0);
  const destination: Destination = { ...destinationOf(step), several: count > 1 };
  const changes = { owner, changeMode };
  const target = { destination, changes, nowMs: session.createdMs(), signal: session.signal };
  return await editImage(
    session,
    state,
    async (tree) => {
      for (const group of groups) await group.copy({ ...target, tree });
    },
    { alone: instruction.link },
  );
}

function commonParts(session: Session, step: CopyStep): KeyParts {
  const { instruction, state } = step;
  const { kind, chown, chmod, link } = instruction;
  const { path, isDirectory } = destinationOf(step);
  const needsParent = !link || (chown !== undefined && !/^\d+(:\d+)?$/.test(chown));
  return [
    ['parent', needsParent ? state.key : undefined],
    ['instruction', [kind, path, isDirectory, chown, chmod, link]],
    ['epoch', session.options.sourceDateEpoch],
  ];
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
  return withAccounts(session, state, (accounts) => resolveOwner(chown, accounts));
}
