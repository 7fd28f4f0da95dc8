import type { Instruction } from '../dockerfile/ast.js';
import { expandPart } from '../dockerfile/expand.js';
import { editContainer } from '../oci/edit-config.js';
import { assertNever } from '../util/assert.js';
import { assertSignal, commandArgv, withKeys } from './container-settings.js';
import { healthcheckEdit } from './healthcheck.js';
import { argvHistory, listHistory, pairsHistory } from './history.js';
import { positioned } from './positioned.js';
import type { ArgSources } from './scope.js';
import { declareArg, formatEnv, lookUp, setEnv, withoutCredentials } from './scope.js';
import type { StageState } from './state.js';
import { withStep } from './state.js';

/** Instructions that make files. The others change settings only. */
export type FileInstruction = Extract<Instruction, { kind: 'run' | 'copy' | 'add' | 'workdir' }>;
export type ConfigInstruction = Exclude<Instruction, FileInstruction>;

export function isFileInstruction(instruction: Instruction): instruction is FileInstruction {
  return ['run', 'copy', 'add', 'workdir'].includes(instruction.kind);
}

/**
 * The state after an instruction that makes no files. It is expanded already, but for ARG, whose
 * definitions see each other.
 */
export function applyConfig(
  state: StageState,
  instruction: ConfigInstruction,
  { sources, escape }: { sources: ArgSources; escape: '\\' | '`' },
): StageState {
  const { image } = state;
  const container = image.config ?? {};
  const edited = (
    changes: Parameters<typeof editContainer>[1],
    createdBy: string,
    rest: Partial<StageState> = {},
  ): StageState =>
    withStep(
      state,
      { createdBy, createdMs: undefined, layer: undefined },
      { image: editContainer(image, changes), ...rest },
    );
  switch (instruction.kind) {
    case 'arg':
      return declareArgs(state, instruction, { sources, escape });
    case 'env': {
      const pairs = Object.fromEntries(instruction.pairs.map(({ key, value }) => [key, value]));
      const scope = setEnv(state.scope, pairs);
      const createdBy = pairsHistory('ENV', instruction.pairs);
      return edited({ Env: formatEnv(scope.env) }, createdBy, { scope });
    }
    case 'label': {
      const labels = Object.fromEntries(instruction.pairs.map(({ key, value }) => [key, value]));
      const createdBy = pairsHistory('LABEL', instruction.pairs);
      return edited({ Labels: { ...container.Labels, ...labels } }, createdBy);
    }
    case 'user':
      return edited({ User: instruction.user }, `USER ${instruction.user}`);
    case 'cmd': {
      const argv = commandArgv(container, instruction.command);
      // Deprecated, and always set by docker and BuildKit.
      const changes = { Cmd: argv, ArgsEscaped: true };
      return edited(changes, argvHistory('CMD', argv), { hasOwnCmd: true });
    }
    case 'entrypoint': {
      const argv = commandArgv(container, instruction.command);
      const inherited = state.hasOwnCmd ? {} : { Cmd: undefined };
      return edited({ Entrypoint: argv, ...inherited }, argvHistory('ENTRYPOINT', argv));
    }
    case 'shell':
      return edited({ Shell: instruction.argv }, listHistory('SHELL', instruction.argv));
    case 'expose': {
      const ExposedPorts = withKeys(container.ExposedPorts, instruction.ports);
      return edited({ ExposedPorts }, listHistory('EXPOSE', instruction.ports));
    }
    case 'volume': {
      const Volumes = withKeys(container.Volumes, instruction.paths);
      return edited({ Volumes }, listHistory('VOLUME', instruction.paths));
    }
    case 'stopsignal':
      positioned(instruction.source, () => assertSignal(instruction.signal));
      return edited({ StopSignal: instruction.signal }, `STOPSIGNAL ${instruction.signal}`);
    case 'healthcheck':
      return edited(...healthcheckEdit(instruction));
    case 'onbuild': {
      const OnBuild = [...(container.OnBuild ?? []), instruction.expression];
      return { ...state, image: editContainer(image, { OnBuild }) };
    }
    case 'maintainer': {
      const author = instruction.maintainer;
      return edited({}, `MAINTAINER ${author}`, { image: { ...image, author } });
    }
    default:
      return assertNever(instruction, 'instruction');
  }
}

function declareArgs(
  state: StageState,
  instruction: Extract<Instruction, { kind: 'arg' }>,
  { sources, escape }: { sources: ArgSources; escape: '\\' | '`' },
): StageState {
  let { scope } = state;
  const words: string[] = [];
  for (const { name, defaultValue } of instruction.args) {
    const now = scope;
    // A default that is overridden is never looked at: it may ask for a variable with `:?`.
    const isGiven = Object.hasOwn(sources.buildArgs, name);
    const fallback =
      defaultValue === undefined || isGiven
        ? undefined
        : expandPart(instruction, defaultValue, (variable) => lookUp(now, variable), escape);
    scope = declareArg(scope, { name, fallback, sources });
    const value = scope.args[name];
    const args = value === undefined ? {} : { [name]: value };
    const { [name]: shown } = withoutCredentials(scope, args);
    words.push(shown === undefined ? name : `${name}=${shown}`);
  }
  const createdBy = `ARG ${words.join(' ')}`;
  return withStep(state, { createdBy, createdMs: undefined, layer: undefined }, { scope });
}
