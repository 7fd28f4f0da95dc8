/* ENV, LABEL, ARG, WORKDIR, USER, EXPOSE, VOLUME, STOPSIGNAL, MAINTAINER: the image's config. */
import type {
  ArgDefinition,
  ArgInstruction,
  EnvInstruction,
  ExposeInstruction,
  KeyValue,
  LabelInstruction,
  MaintainerInstruction,
  StopSignalInstruction,
  UserInstruction,
  VolumeInstruction,
  WorkdirInstruction,
} from './ast.js';
import { parseFlags } from './flags.js';
import { parseJsonForm, splitBlanks, splitFirstBlank, splitWords } from './parser.js';
import { baseOf, malformed, type Request, requireRest } from './request.js';

export function parseEnv(request: Request): EnvInstruction {
  return { kind: 'env', ...baseOf(request), ...parsePairs(request) };
}

export function parseLabel(request: Request): LabelInstruction {
  return { kind: 'label', ...baseOf(request), ...parsePairs(request) };
}

/** `key=value ...`; or, if the first word has no `=`, one `key value` up to the line's end. */
function parsePairs(request: Request): { pairs: KeyValue[]; legacy?: true } {
  parseFlags(request.keyword, request.flags, {});
  const usage = `${request.keyword} NAME=VALUE`;
  const rest = requireRest(request, usage);
  const words = splitWords(rest, request.escape);
  if (words[0]?.includes('=') === true) {
    return { pairs: words.map((word) => splitPair(request, word, usage)) };
  }
  const [key, value] = splitFirstBlank(rest);
  if (value !== undefined) return { pairs: [{ key, value }], legacy: true };
  throw malformed(request, `found "${rest}", want a name and a value`, `Write ${usage}`);
}

function splitPair(request: Request, word: string, usage: string): KeyValue {
  const at = word.indexOf('=');
  if (at > 0) return { key: word.slice(0, at), value: word.slice(at + 1) };
  if (at === 0) {
    throw malformed(request, `found "${word}", want a name before =`, `Write ${usage}`, word);
  }
  throw malformed(
    request,
    `found "${word}" without =, want NAME=VALUE`,
    `Write ${usage}, with quotes around a value that has blanks`,
    word,
  );
}

export function parseArg(request: Request): ArgInstruction {
  parseFlags('ARG', request.flags, {});
  const words = splitWords(requireRest(request, 'ARG NAME or ARG NAME=DEFAULT'), request.escape);
  const args = words.map((word): ArgDefinition => {
    if (!word.includes('=')) return { name: word };
    const { key, value } = splitPair(request, word, 'ARG NAME=DEFAULT');
    return { name: key, defaultValue: value };
  });
  return { kind: 'arg', ...baseOf(request), args };
}

export function parseWorkdir(request: Request): WorkdirInstruction {
  parseFlags('WORKDIR', request.flags, {});
  return { kind: 'workdir', ...baseOf(request), path: requireRest(request, 'WORKDIR /path') };
}

export function parseUser(request: Request): UserInstruction {
  parseFlags('USER', request.flags, {});
  return { kind: 'user', ...baseOf(request), user: requireRest(request, 'USER NAME[:GROUP]') };
}

export function parseExpose(request: Request): ExposeInstruction {
  parseFlags('EXPOSE', request.flags, {});
  const ports = splitBlanks(requireRest(request, 'EXPOSE 80 or EXPOSE 53/udp'));
  return { kind: 'expose', ...baseOf(request), ports };
}

export function parseVolume(request: Request): VolumeInstruction {
  parseFlags('VOLUME', request.flags, {});
  const rest = requireRest(request, 'VOLUME /path');
  const paths = (parseJsonForm(rest) ?? splitBlanks(rest)).map((path) => path.trim());
  if (paths.length > 0 && !paths.includes('')) return { kind: 'volume', ...baseOf(request), paths };
  throw malformed(request, 'found an empty path, want a directory', 'Write VOLUME /path');
}

export function parseStopSignal(request: Request): StopSignalInstruction {
  parseFlags('STOPSIGNAL', request.flags, {});
  const signal = requireRest(request, 'STOPSIGNAL SIGTERM');
  return { kind: 'stopsignal', ...baseOf(request), signal };
}

export function parseMaintainer(request: Request): MaintainerInstruction {
  parseFlags('MAINTAINER', request.flags, {});
  const maintainer = requireRest(request, 'LABEL org.opencontainers.image.authors="NAME"');
  return { kind: 'maintainer', ...baseOf(request), maintainer };
}
