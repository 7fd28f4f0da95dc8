import type { Stage } from '../dockerfile/ast.js';
import type { Instruction } from '../dockerfile/ast.js';
import { expandInstruction } from '../dockerfile/expand.js';
import { parseTrigger } from '../dockerfile/instructions.js';
import { editContainer } from '../oci/edit-config.js';
import type { Vertex } from './events.js';
import { oneLine } from './history.js';
import type { FilesOf, PlannedStage } from './plan.js';
import { positionedAsync } from './positioned.js';
import type { ArgSources } from './scope.js';
import { inheritScope, lookUp } from './scope.js';
import type { Session } from './session.js';
import type { StageState } from './state.js';
import { applyConfig, isFileInstruction } from './step-config.js';
import { applyFileInstruction } from './step-files.js';

/** What carrying out a stage needs. */
export interface StageRun {
  readonly session: Session;
  readonly planned: PlannedStage;
  /** All stages of the Buildfile. */
  readonly stages: readonly Stage[];
  readonly escape: '\\' | '`';
  readonly sources: ArgSources;
  /** Whether its steps are carried out whatever the cache has. */
  readonly noCache: boolean;
  /** The files of a stage or image, made if need be. */
  readonly resolve: (files: FilesOf, vertex: Vertex | undefined) => Promise<StageState>;
}

/** Carries out a stage; UserErrors have a position. */
export async function solveStage(run: StageRun): Promise<StageState> {
  const { session, planned, resolve } = run;
  const { stage, base, label } = planned;
  const written = stage.instructions.filter(isFileInstruction).length;
  const baseVertex =
    base.kind === 'stage'
      ? undefined
      : session.progress.add({
          kind: 'source',
          name: stepName(label, [1, written + 1], oneLine(stage.from)),
          source: stage.from.source,
        });
  const start = await positionedAsync(stage.from.source, () => resolve(base, baseVertex));
  const { state: begun, triggers } = takeTriggers(start, stage);
  const instructions = [...triggers, ...stage.instructions];
  const offset = baseVertex === undefined ? 0 : 1;
  const total = instructions.filter(isFileInstruction).length + offset;
  const vertices = new Map<Instruction, Vertex>();
  for (const instruction of instructions.filter(isFileInstruction)) {
    const name = stepName(label, [vertices.size + 1 + offset, total], oneLine(instruction));
    const { source } = instruction;
    vertices.set(instruction, session.progress.add({ kind: 'step', name, source }));
  }
  let state: StageState = { ...begun, scope: inheritScope(begun.scope), hasOwnCmd: false };
  for (const instruction of instructions) {
    session.signal.throwIfAborted();
    const before = state;
    state = await applyInstruction(run, state, { instruction, vertex: vertices.get(instruction) });
    guardSettings(session, instruction, { before, after: state });
  }
  return state;
}

async function applyInstruction(
  run: StageRun,
  state: StageState,
  { instruction, vertex }: { instruction: Instruction; vertex: Vertex | undefined },
): Promise<StageState> {
  const { sources, escape } = run;
  const lookup = (name: string): string | undefined => lookUp(state.scope, name);
  const expanded = expandInstruction(instruction, lookup, escape);
  if (vertex === undefined || !isFileInstruction(expanded)) {
    return isFileInstruction(expanded) ? state : applyConfig(state, expanded, { sources, escape });
  }
  return await positionedAsync(instruction.source, () =>
    applyFileInstruction(run, state, { instruction: expanded, vertex }),
  );
}

/** Throws if an instruction leaves a secret in what the image says of itself. */
function guardSettings(
  { guard }: Session,
  { kind, source }: Instruction,
  { before, after }: { before: StageState; after: StageState },
): void {
  const history = after.history.slice(before.history.length).map(({ createdBy }) => createdBy);
  const triggers = after.image.config?.OnBuild ?? [];
  const added = triggers.slice(before.image.config?.OnBuild?.length ?? 0);
  guard.checkTexts(
    `what ${kind.toUpperCase()} leaves in the image`,
    [...history, ...added],
    source,
  );
}

/** The base's ONBUILD instructions, to be carried out first; they are not inherited further. */
function takeTriggers(
  state: StageState,
  stage: Stage,
): { state: StageState; triggers: Instruction[] } {
  const expressions = state.image.config?.OnBuild ?? [];
  if (expressions.length === 0) return { state, triggers: [] };
  const triggers = expressions.map((text) => parseTrigger(text, stage.from.image));
  const image = editContainer(state.image, { OnBuild: undefined });
  return { state: { ...state, image }, triggers };
}

/** `[build 2/5] RUN make`. */
function stepName(label: string, [number, total]: [number, number], text: string): string {
  const prefix = label === '' ? '' : `${label} `;
  return `[${prefix}${number}/${total}] ${text}`;
}
