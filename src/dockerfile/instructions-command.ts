/* RUN, CMD, ENTRYPOINT, SHELL, HEALTHCHECK: the instructions that hold a command line. */
import { suggest } from '../util/suggest.js';
import type {
  CmdInstruction,
  EntrypointInstruction,
  HealthcheckInstruction,
  NetworkMode,
  RunCommandLine,
  RunInstruction,
  ShellInstruction,
} from './ast.js';
import { parseDurationNs } from './duration.js';
import { parseFlags } from './flags.js';
import { heredocText, parseHeredocWord } from './heredoc.js';
import { findMountFrom } from './mounts.js';
import { parseJsonForm } from './parser.js';
import { baseOf, malformed, parseCommandLine, type Request, requireRest } from './request.js';

const NETWORK_MODES: readonly NetworkMode[] = ['default', 'none', 'host'];
const SECURITY_MODES = ['sandbox', 'insecure'] as const;
const MIN_DURATION_NS = 1e6;

export function parseRun(request: Request): RunInstruction {
  const flags = parseFlags('RUN', request.flags, {
    mount: 'list',
    network: 'text',
    security: 'text',
    device: 'list',
  });
  const network = oneOf(request, 'network', flags.network, NETWORK_MODES);
  const security = oneOf(request, 'security', flags.security, SECURITY_MODES);
  // The rest of a mount is checked when its variables are known: a stage may never be built.
  for (const mount of flags.mount) findMountFrom(mount);
  return {
    kind: 'run',
    ...baseOf(request),
    command: parseRunCommand(request),
    ...(network && { network }),
    ...(security && { security }),
    mounts: flags.mount,
    devices: flags.device,
  };
}

/**
 * A heredoc alone is the script itself; with anything else in the line, the shell gets the line
 * and the bodies and makes of them what it wants.
 */
function parseRunCommand(request: Request): RunCommandLine {
  const rest = requireRest(request, 'RUN COMMAND');
  const command = parseCommandLine(rest);
  if (command.form === 'exec' && command.argv.length === 0) {
    throw malformed(request, 'found an empty array, want a command', 'Write RUN ["COMMAND"]');
  }
  const [first] = request.heredocs;
  if (command.form === 'exec' || first === undefined) return command;
  if (parseHeredocWord(rest) === undefined) {
    const bodies = request.heredocs.map(({ content, name }) => `\n${content}${name}`);
    return { form: 'shell', command: rest + bodies.join('') };
  }
  const text = heredocText(first);
  if (text.startsWith('#!')) return { form: 'script', name: first.name, text };
  return { form: 'shell', command: text };
}

export function parseCmd(request: Request): CmdInstruction {
  parseFlags('CMD', request.flags, {});
  requireRest(request, 'CMD ["COMMAND"], or CMD [] for none');
  return { kind: 'cmd', ...baseOf(request), command: parseCommandLine(request.rest) };
}

export function parseEntrypoint(request: Request): EntrypointInstruction {
  parseFlags('ENTRYPOINT', request.flags, {});
  requireRest(request, 'ENTRYPOINT ["COMMAND"], or ENTRYPOINT [] for none');
  return { kind: 'entrypoint', ...baseOf(request), command: parseCommandLine(request.rest) };
}

export function parseShell(request: Request): ShellInstruction {
  parseFlags('SHELL', request.flags, {});
  const argv = parseJsonForm(requireRest(request, 'SHELL ["/bin/sh", "-c"]'));
  if (argv === undefined || argv.length === 0) {
    const found = argv === undefined ? 'text' : 'an empty array';
    throw malformed(
      request,
      `found ${found}, want a JSON array of strings`,
      'Write SHELL ["/bin/sh", "-c"]',
    );
  }
  return { kind: 'shell', ...baseOf(request), argv };
}

export function parseHealthcheck(request: Request): HealthcheckInstruction {
  const flags = parseFlags('HEALTHCHECK', request.flags, {
    interval: 'text',
    timeout: 'text',
    'start-period': 'text',
    'start-interval': 'text',
    retries: 'text',
  });
  const rest = requireRest(request, 'HEALTHCHECK CMD COMMAND, or HEALTHCHECK NONE');
  const durations = {
    intervalNs: optionalDuration(request, 'interval', flags.interval),
    timeoutNs: optionalDuration(request, 'timeout', flags.timeout),
    startPeriodNs: optionalDuration(request, 'start-period', flags['start-period']),
    startIntervalNs: optionalDuration(request, 'start-interval', flags['start-interval']),
    retries: parseRetries(request, flags.retries),
  };
  const given = Object.fromEntries(
    Object.entries(durations).filter(([, value]) => value !== undefined),
  );
  const test = parseHealthTest(request, rest);
  return { kind: 'healthcheck', ...baseOf(request), test, ...given };
}

function parseHealthTest(request: Request, rest: string): HealthcheckInstruction['test'] {
  const [, type = '', command = ''] = /^(\S+)\s*([^]*)$/.exec(rest) ?? [];
  switch (type.toUpperCase()) {
    case 'NONE':
      if (command === '' && request.flags.length === 0) return { form: 'none' };
      throw malformed(request, 'found arguments or flags with NONE', 'Write HEALTHCHECK NONE');
    case 'CMD': {
      const test = parseCommandLine(command);
      if (command !== '' && (test.form === 'shell' || test.argv.length > 0)) return test;
      throw malformed(request, 'found no command behind CMD', 'Write HEALTHCHECK CMD COMMAND');
    }
    default:
      throw malformed(
        request,
        `found "${type}", want CMD or NONE`,
        `Write HEALTHCHECK CMD ${rest}`,
        type,
      );
  }
}

/** Zero is as if the flag were not given: the engine's default. */
function optionalDuration(
  request: Request,
  name: string,
  text: string | undefined,
): number | undefined {
  const nanoseconds = text === undefined || text === '' ? 0 : parseDurationNs(text);
  if (nanoseconds === 0) return undefined;
  if (nanoseconds >= MIN_DURATION_NS) return nanoseconds;
  throw malformed(
    request,
    `found --${name}=${text ?? ''}, want 1ms or more`,
    'Write 1ms or more',
    `--${name}=${text ?? ''}`,
  );
}

function parseRetries(request: Request, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const retries = Number(text);
  if (/^\d{1,9}$/.test(text)) return retries === 0 ? undefined : retries;
  throw malformed(
    request,
    `found --retries=${text}, want a number`,
    'Write --retries=3',
    `--retries=${text}`,
  );
}

function oneOf<const T extends string>(
  request: Request,
  name: string,
  text: string | undefined,
  allowed: readonly T[],
): T | undefined {
  if (text === undefined) return undefined;
  const value = allowed.find((candidate) => candidate === text);
  if (value !== undefined) return value;
  const want = allowed.join(', ');
  throw malformed(
    request,
    `found --${name}=${text}, want one of ${want}`,
    `Write --${name}=${suggest(text, allowed) ?? allowed[0] ?? ''}`,
    `--${name}=${text}`,
  );
}
