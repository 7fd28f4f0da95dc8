import { assert } from '../util/assert.js';
import { UserError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import type {
  AnyInstruction,
  EscapeToken,
  FromInstruction,
  Instruction,
  OnbuildInstruction,
} from './ast.js';
import { parseFlags } from './flags.js';
import {
  parseCmd,
  parseEntrypoint,
  parseHealthcheck,
  parseRun,
  parseShell,
} from './instructions-command.js';
import {
  parseArg,
  parseEnv,
  parseExpose,
  parseLabel,
  parseMaintainer,
  parseStopSignal,
  parseUser,
  parseVolume,
  parseWorkdir,
} from './instructions-config.js';
import { parseAdd, parseCopy } from './instructions-copy.js';
import { type LogicalLine, readLogicalLines } from './lines.js';
import { PartError, placed } from './locate.js';
import { splitBlanks, splitLine } from './parser.js';
import { baseOf, malformed, type Request, requireRest } from './request.js';

/** Keyword → its parser. Keywords are case-insensitive. */
const PARSERS: Readonly<Record<string, (request: Request) => AnyInstruction>> = {
  ADD: parseAdd,
  ARG: parseArg,
  CMD: parseCmd,
  COPY: parseCopy,
  ENTRYPOINT: parseEntrypoint,
  ENV: parseEnv,
  EXPOSE: parseExpose,
  FROM: parseFrom,
  HEALTHCHECK: parseHealthcheck,
  LABEL: parseLabel,
  MAINTAINER: parseMaintainer,
  ONBUILD: parseOnbuild,
  RUN: parseRun,
  SHELL: parseShell,
  STOPSIGNAL: parseStopSignal,
  USER: parseUser,
  VOLUME: parseVolume,
  WORKDIR: parseWorkdir,
};

const NOT_IN_ONBUILD: readonly string[] = ['ONBUILD', 'FROM', 'MAINTAINER'];
const STAGE_NAME = /^[a-z][a-z0-9\-_.]*$/;

const CONTINUE_HINT = 'Put a \\ at the end of the line before, if this continues it';
const ONBUILD_HINT = 'Write ONBUILD INSTRUCTION, for example ONBUILD RUN make';

/**
 * Parses one logical line. Throws TSB_PARSE with the line's position. `unknownHint`: for a keyword
 * that is near to none.
 */
export function parseInstruction(
  line: LogicalLine,
  escape: EscapeToken,
  unknownHint: string = CONTINUE_HINT,
): AnyInstruction {
  const { keyword, flags, rest } = splitLine(line.original, escape);
  const upper = keyword.toUpperCase();
  const { heredocs } = line;
  try {
    const parse = Object.hasOwn(PARSERS, upper) ? PARSERS[upper] : undefined;
    if (parse === undefined) throw unknownInstruction(keyword, unknownHint);
    return parse({ keyword: upper, flags, rest, heredocs, line, escape });
  } catch (error) {
    throw placed(error, line);
  }
}

/**
 * Parses a trigger of an image's `OnBuild`, to be run in a stage that is FROM this image.
 * Positions are lines of the trigger, in a file named for the image.
 */
export function parseTrigger(expression: string, image: string): Instruction {
  const { lines } = readLogicalLines(expression, `ONBUILD of ${image}`);
  const [line] = lines;
  if (line === undefined || lines.length > 1) {
    throw new UserError(
      'TSB_IMAGE_INVALID',
      `Cannot parse ONBUILD "${expression}" of ${image}: found ${lines.length} lines, want one`,
    );
  }
  refuseAsTrigger(line);
  const instruction = parseInstruction(line, '\\', ONBUILD_HINT);
  assert(instruction.kind !== 'from', 'FROM was refused as a trigger');
  return instruction;
}

function unknownInstruction(keyword: string, otherwise: string): UserError {
  const near = suggest(keyword, Object.keys(PARSERS));
  return new PartError(
    'TSB_PARSE',
    `Cannot parse "${keyword}": found an unknown instruction, want one like RUN or COPY`,
    {
      part: { text: keyword },
      hint: near === undefined ? otherwise : `Did you mean ${near}?`,
    },
  );
}

function parseFrom(request: Request): FromInstruction {
  const { platform } = parseFlags('FROM', request.flags, { platform: 'text' });
  const words = splitBlanks(requireRest(request, 'FROM IMAGE [AS NAME]'));
  const [image = '', as, rawName] = words;
  const named = words.length === 3 && as?.toLowerCase() === 'as';
  if (words.length !== 1 && !named) {
    throw malformed(
      request,
      `found ${words.length} arguments, want IMAGE or IMAGE AS NAME`,
      `Write FROM ${image} AS NAME`,
      words[1],
    );
  }
  const name = rawName?.toLowerCase();
  if (name !== undefined && !STAGE_NAME.test(name)) {
    throw malformed(
      request,
      `found the stage name "${rawName ?? ''}", want letters, digits, - _ . after a first letter`,
      `Write FROM ${image} AS build`,
      rawName,
    );
  }
  return {
    kind: 'from',
    ...baseOf(request),
    image,
    ...(name !== undefined && { name }),
    ...(platform !== undefined && platform !== '' && { platform }),
  };
}

function parseOnbuild(request: Request): OnbuildInstruction {
  parseFlags('ONBUILD', request.flags, {});
  const text = requireRest(request, 'ONBUILD INSTRUCTION');
  const line = inner(request.line, text);
  refuseAsTrigger(line);
  const trigger = parseInstruction(line, request.escape, ONBUILD_HINT);
  assert(trigger.kind !== 'from', 'FROM was refused as a trigger');
  const bodies = request.heredocs.map(({ content, name }) => `\n${content}${name}`);
  return { kind: 'onbuild', ...baseOf(request), expression: text + bodies.join(''), trigger };
}

/** The line of a trigger: what is left of the ONBUILD's. */
function inner(line: LogicalLine, text: string): LogicalLine {
  const { source, original, heredocs } = line;
  const cut = original.length - text.length;
  const joins = line.joins ?? [{ offset: 0, line: source.startLine, column: 1 }];
  const shifted = joins
    .filter(({ offset }, index) => offset > cut || (joins[index + 1]?.offset ?? Infinity) > cut)
    .map((join) => ({
      ...join,
      offset: Math.max(0, join.offset - cut),
      column: join.column + Math.max(0, cut - join.offset),
    }));
  return { source, original: text, heredocs, comments: [], joins: shifted };
}

function refuseAsTrigger(line: LogicalLine): void {
  const word = splitBlanks(line.original)[0] ?? '';
  const keyword = word.toUpperCase();
  if (!NOT_IN_ONBUILD.includes(keyword)) return;
  const error = new PartError(
    'TSB_PARSE',
    `Cannot parse ONBUILD: found ${keyword} as its instruction`,
    { hint: `Write ${keyword} without ONBUILD`, part: { text: word } },
  );
  throw placed(error, line);
}
