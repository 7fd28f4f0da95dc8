import { UserError } from '../util/errors.js';
import type { CommandLine, EscapeToken, InstructionBase } from './ast.js';
import type { Heredoc } from './heredoc.js';
import type { LogicalLine } from './lines.js';
import { PartError } from './locate.js';
import { parseJsonForm } from './parser.js';

/** One logical line on its way to a typed instruction. */
export interface Request {
  /** Upper case. */
  readonly keyword: string;
  readonly flags: readonly string[];
  readonly rest: string;
  readonly heredocs: readonly Heredoc[];
  readonly line: LogicalLine;
  readonly escape: EscapeToken;
}

/** The fields that every instruction takes over from its line. */
export function baseOf({ line }: Request): InstructionBase {
  const { source, original, joins, comments, blankLine } = line;
  return {
    source,
    original,
    ...(joins !== undefined && { joins }),
    ...(comments.length > 0 && { comments }),
    ...(blankLine !== undefined && { blankLine }),
  };
}

/** The error for arguments that an instruction cannot have; `part`: the words at fault. */
export function malformed(
  { keyword }: Request,
  found: string,
  hint: string,
  part?: string,
): UserError {
  const message = `Cannot parse ${keyword}: ${found}`;
  if (part === undefined) return new UserError('TSB_PARSE', message, { hint });
  return new PartError('TSB_PARSE', message, { hint, part: { text: part } });
}

/** The rest of the line, which must not be empty; `usage` shows what belongs there. */
export function requireRest(request: Request, usage: string): string {
  if (request.rest !== '') return request.rest;
  throw malformed(request, 'found no argument, want at least one', `Write ${usage}`);
}

/** JSON form or shell form. An array that is not well-formed JSON is the shell form. */
export function parseCommandLine(rest: string): CommandLine {
  const argv = parseJsonForm(rest);
  return argv === undefined ? { form: 'shell', command: rest } : { form: 'exec', argv };
}
