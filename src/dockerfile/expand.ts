import type {
  AddInstruction,
  AnyInstruction,
  CopyBase,
  CopyInstruction,
  EscapeToken,
  FromInstruction,
  KeyValue,
} from './ast.js';
import { PartError, placed } from './locate.js';
import { parsePorts } from './ports.js';
import { refuseUnsupported } from './unsupported.js';
import { expandBody, expandWord, expandWords, type Lookup } from './words.js';

/**
 * The parts of each instruction in which variables are expanded. The rest is as written: RUN,
 * CMD, ENTRYPOINT and HEALTHCHECK leave variables to their shell, ONBUILD to the stage that runs
 * its trigger. ARG is expanded one definition at a time, by the builder: a later one may use an
 * earlier one, and a default that is overridden is never looked at.
 */
export const EXPANDED_PARTS: Readonly<Record<AnyInstruction['kind'], readonly string[]>> = {
  from: ['image', 'platform'],
  copy: ['sources', 'destination', 'chown', 'chmod'],
  add: ['sources', 'destination', 'chown', 'chmod', 'checksum'],
  env: ['pairs'],
  label: ['pairs'],
  workdir: ['path'],
  user: ['user'],
  expose: ['ports'],
  volume: ['paths'],
  stopsignal: ['signal'],
  arg: [],
  run: [],
  cmd: [],
  entrypoint: [],
  shell: [],
  healthcheck: [],
  onbuild: [],
  maintainer: [],
};

/**
 * The instruction with its variables expanded, all from the one set of values that `lookup`
 * gives: `ENV abc=bye def=$abc` uses the old abc. Also checks what can be checked only then
 * (ports, empty paths, what is not supported). Throws with the instruction's position.
 */
export function expandInstruction<I extends AnyInstruction>(
  instruction: I,
  lookup: Lookup,
  escape: EscapeToken,
): I {
  try {
    const expanded = expandAny(instruction, lookup, escape) as I;
    refuseUnsupported(expanded);
    return expanded;
  } catch (error) {
    throw placed(error, instruction);
  }
}

/** Expands one word of an instruction: a default of ARG. Throws with the word's position. */
export function expandPart(
  instruction: AnyInstruction,
  text: string,
  lookup: Lookup,
  escape: EscapeToken,
): string {
  try {
    return expandWord(text, lookup, escape);
  } catch (error) {
    throw placed(error, instruction);
  }
}

function expandAny(
  instruction: AnyInstruction,
  lookup: Lookup,
  escape: EscapeToken,
): AnyInstruction {
  const word = (text: string): string => expandWord(text, lookup, escape);
  switch (instruction.kind) {
    case 'from':
      return expandFrom(instruction, word);
    case 'copy':
      return { ...instruction, ...expandCopy(instruction, lookup, word) };
    case 'add': {
      const { checksum } = instruction;
      return {
        ...instruction,
        ...expandCopy(instruction, lookup, word),
        ...(checksum !== undefined && { checksum: word(checksum) }),
      };
    }
    case 'env':
    case 'label':
      return { ...instruction, pairs: instruction.pairs.map((pair) => expandPair(pair, word)) };
    case 'workdir':
      return { ...instruction, path: word(instruction.path) };
    case 'user':
      return { ...instruction, user: word(instruction.user) };
    case 'stopsignal':
      return { ...instruction, signal: notEmpty(instruction, instruction.signal, word) };
    case 'volume':
      return {
        ...instruction,
        paths: instruction.paths.map((path) => notEmpty(instruction, path, word)),
      };
    case 'expose': {
      const words = instruction.ports.flatMap((port) => expandWords(port, lookup, escape));
      return { ...instruction, ports: words.flatMap(parsePorts) };
    }
    default:
      return instruction;
  }
}

function expandFrom(from: FromInstruction, word: (text: string) => string): FromInstruction {
  const { platform: written, ...rest } = from;
  const platform = written === undefined ? '' : word(written);
  const image = notEmpty(from, from.image, word);
  return { ...rest, image, ...(platform !== '' && { platform }) };
}

function expandCopy(
  instruction: CopyInstruction | AddInstruction,
  lookup: Lookup,
  word: (text: string) => string,
): Pick<CopyBase, 'sources' | 'destination' | 'chown' | 'chmod'> {
  const { chown, chmod } = instruction;
  const destination = word(instruction.destination);
  const sources = instruction.sources.map((source) => {
    if (source.kind === 'path') return { ...source, path: word(source.path) };
    return source.expand ? { ...source, data: expandBody(source.data, lookup) } : source;
  });
  if (sources.length > 1 && !/(^|\/)\.{0,2}$/.test(destination)) {
    throw new PartError(
      'TSB_PARSE',
      `Cannot ${instruction.kind} several sources to "${destination}": want a directory`,
      { hint: `Write ${destination}/`, part: { text: instruction.destination, last: true } },
    );
  }
  return {
    sources,
    destination,
    ...(chown !== undefined && { chown: word(chown) }),
    ...(chmod !== undefined && { chmod: word(chmod) }),
  };
}

function expandPair({ key, value }: KeyValue, word: (text: string) => string): KeyValue {
  const name = word(key);
  if (name !== '') return { key: name, value: word(value) };
  throw new PartError('TSB_PARSE', `Cannot set the name "${key}": it is empty when expanded`, {
    hint: 'Give the variable in it a value with ARG or ENV',
    part: { text: key },
  });
}

function notEmpty(
  { kind, original }: AnyInstruction,
  written: string,
  word: (text: string) => string,
): string {
  const text = word(written);
  if (text !== '') return text;
  throw new PartError(
    'TSB_PARSE',
    `Cannot expand ${kind.toUpperCase()} "${original}": its argument is empty, want a value`,
    {
      hint: 'Give its variable a value with ARG or ENV, or write ${NAME:-DEFAULT}',
      part: { text: written },
    },
  );
}
