/* COPY and ADD. */
import type { AddInstruction, CopyInstruction, CopySource } from './ast.js';
import { parseFlags } from './flags.js';
import { type Heredoc, heredocText, parseHeredocWord } from './heredoc.js';
import { PartError } from './locate.js';
import { parseJsonForm, splitBlanks } from './parser.js';
import { baseOf, malformed, type Request } from './request.js';
import { expandWord } from './words.js';

export function parseCopy(request: Request): CopyInstruction {
  const flags = parseFlags('COPY', request.flags, {
    from: 'text',
    chown: 'text',
    chmod: 'text',
    link: 'boolean',
    parents: 'boolean',
    exclude: 'list',
  });
  if (flags.from !== undefined) refuseVariables(request, flags.from);
  return {
    kind: 'copy',
    ...baseOf(request),
    ...parseSourcesAndDestination(request),
    ...(flags.from !== undefined && flags.from !== '' && { from: flags.from }),
    ...parseOwnership(flags),
    parents: flags.parents ?? false,
  };
}

export function parseAdd(request: Request): AddInstruction {
  const flags = parseFlags('ADD', request.flags, {
    chown: 'text',
    chmod: 'text',
    link: 'boolean',
    exclude: 'list',
    checksum: 'text',
    'keep-git-dir': 'boolean',
    unpack: 'boolean',
  });
  const keepGitDir = flags['keep-git-dir'];
  return {
    kind: 'add',
    ...baseOf(request),
    ...parseSourcesAndDestination(request),
    ...parseOwnership(flags),
    ...(flags.checksum !== undefined && { checksum: flags.checksum }),
    ...(keepGitDir !== undefined && { keepGitDir }),
    ...(flags.unpack !== undefined && { unpack: flags.unpack }),
  };
}

interface OwnershipFlags {
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly link: boolean | undefined;
  readonly exclude: readonly string[];
}

function parseOwnership({ chown, chmod, link, exclude }: OwnershipFlags): {
  chown?: string;
  chmod?: string;
  link: boolean;
  excludes: readonly string[];
} {
  return {
    ...(chown !== undefined && chown !== '' && { chown }),
    ...(chmod !== undefined && chmod !== '' && { chmod }),
    link: link ?? false,
    excludes: exclude,
  };
}

function parseSourcesAndDestination(request: Request): {
  sources: CopySource[];
  destination: string;
} {
  const json = parseJsonForm(request.rest);
  const words = json ?? splitBlanks(request.rest);
  const destination = words.at(-1);
  if (words.length < 2 || destination === undefined) {
    throw malformed(
      request,
      `found ${words.length === 1 ? 'one argument' : 'no argument'}, want sources and a destination`,
      `Write ${request.keyword} SOURCE... DESTINATION`,
    );
  }
  if (json === undefined && parseHeredocWord(destination) !== undefined) {
    throw malformed(
      request,
      'found a heredoc as the destination, want a path',
      `Write ${request.keyword} ${destination} /path`,
      destination,
    );
  }
  const bodies = [...request.heredocs];
  const unusable = bodies.find(({ name }) => /^\.{0,2}$|[/\0]/.test(name));
  if (unusable !== undefined) {
    throw malformed(
      request,
      `found heredoc "${unusable.name}", want the name of a file`,
      `Write ${request.keyword} <<NAME DESTINATION: the file gets that name`,
      unusable.name,
    );
  }
  const sources = words
    .slice(0, -1)
    .map((word): CopySource => inlineSource(word, bodies) ?? { kind: 'path', path: word });
  if (bodies.length > 0) {
    throw malformed(
      request,
      `found heredoc "${bodies[0]?.name ?? ''}" elsewhere than among the sources`,
      `Write ${request.keyword} <<NAME DESTINATION, without a blank behind <<`,
      bodies[0]?.name,
    );
  }
  return { sources, destination };
}

/** The heredoc that `word` announces, taken from `bodies`; undefined if it is a path. */
function inlineSource(word: string, bodies: Heredoc[]): CopySource | undefined {
  const announced = parseHeredocWord(word);
  if (announced === undefined || bodies[0]?.name !== announced.name) return undefined;
  const heredoc = bodies.shift();
  if (heredoc === undefined) return undefined;
  const { name, expand } = announced;
  return { kind: 'inline', name, data: heredocText(heredoc), expand };
}

/** Stages are known before variables are. */
function refuseVariables(request: Request, from: string): void {
  const names: string[] = [];
  expandWord(from, (name) => {
    names.push(name);
    return undefined;
  });
  if (names.length === 0) return;
  throw new PartError(
    'TSB_UNSUPPORTED',
    `Cannot parse ${request.keyword}: found a variable in --from=${from}, want a stage or an image`,
    {
      part: { text: from },
      hint: `Add a stage \`FROM ${from} AS NAME\` with a global ARG, and write --from=NAME`,
    },
  );
}
