import { suggest } from '../../src/util/suggest.js';
import { UserError } from '../../src/util/errors.js';
import { splitEscaped, unescapeText, type TypedOption } from './option-text.js';

/** What the options of a mount come to. */
export interface MountSettings {
  /** Top first, as typed. */
  lowerdirs: string[];
  upperdir: string | undefined;
  workdir: string | undefined;
  fsname: string;
  readOnly: boolean;
  suid: boolean;
  dev: boolean;
  exec: boolean;
  allowOther: boolean;
  debug: boolean;
  userXattr: boolean;
  isSynced: boolean;
}

/** One option of `-o`. */
export interface OptionSpec {
  readonly value: 'none' | 'optional' | 'required';
  /** What it does, for the help and the README. */
  readonly does: string;
  /** Left out: it is accepted with a warning, `does` saying why nothing has to be done. */
  readonly apply?: (settings: MountSettings, value: string) => void;
  /** Nothing has to be done, and nobody has to be told. */
  readonly isSilent?: true;
}

const flag = (does: string, apply: (settings: MountSettings) => void): OptionSpec => ({
  value: 'none',
  does,
  apply,
});
const text = (does: string, apply: (s: MountSettings, value: string) => void): OptionSpec => ({
  value: 'required',
  does,
  apply,
});
const silent = (does: string): OptionSpec => ({ value: 'none', does, isSilent: true });
const warned = (value: OptionSpec['value'], does: string): OptionSpec => ({ value, does });

/** Every option of `-o`: those of fuse-overlayfs, of kernel overlayfs and of mount(8). */
export const OPTIONS: Readonly<Record<string, OptionSpec>> = {
  lowerdir: text('directories to merge, top first, separated by `:` (`\\:` is a colon)', (s, v) => {
    s.lowerdirs = splitEscaped(v, ':')
      .filter((part) => part !== '')
      .map(unescapeText);
  }),
  upperdir: text('takes the changes when the mount ends; left out: read-only', (s, v) => {
    s.upperdir = unescapeText(v);
  }),
  workdir: text('for what is changed while mounted: on the file system of `upperdir`', (s, v) => {
    s.workdir = unescapeText(v);
  }),
  fsname: text('the source in the mount table', (s, v) => (s.fsname = unescapeText(v))),
  ro: flag('read-only', (s) => (s.readOnly = true)),
  rw: flag('writable (the default with `upperdir`)', (s) => (s.readOnly = false)),
  suid: flag('set-id bits and capabilities are obeyed (the default)', (s) => (s.suid = true)),
  nosuid: flag('they are not', (s) => (s.suid = false)),
  dev: flag('device nodes can be opened (the default for root)', (s) => (s.dev = true)),
  nodev: flag('they cannot', (s) => (s.dev = false)),
  exec: flag('programs can be run (the default)', (s) => (s.exec = true)),
  noexec: flag('they cannot', (s) => (s.exec = false)),
  allow_other: flag('all users may enter (the default)', (s) => (s.allowOther = true)),
  userxattr: flag('opaque directories by `user.overlay.opaque`', (s) => (s.userXattr = true)),
  volatile: flag('the end of the mount does not wait for the disk', (s) => (s.isSynced = false)),
  allow_root: warned('none', 'root may enter in any case'),
  debug: flag('as `-d`', (s) => (s.debug = true)),
  default_permissions: silent('always'),
  noatime: silent('always: access times are not recorded'),
  nodiratime: silent('always'),
};

/** The settings before any option. */
export function defaultSettings(isRoot: boolean): MountSettings {
  return {
    lowerdirs: [],
    upperdir: undefined,
    workdir: undefined,
    fsname: 'tsbuild-overlayfs',
    readOnly: false,
    suid: true,
    dev: isRoot,
    exec: true,
    allowOther: true,
    debug: false,
    userXattr: false,
    isSynced: true,
  };
}

/** Applies one option; returns a warning if it does nothing. Throws TSB_USAGE. */
export function applyOption(
  settings: MountSettings,
  { name, value }: TypedOption,
): string | undefined {
  const spec = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
  if (spec === undefined) throw unknownOption(name);
  if (spec.value === 'required' && value === undefined) {
    throw usageError(`Cannot use option "${name}": found no value, want ${name}=…`);
  }
  if (spec.value === 'none' && value !== undefined) {
    throw usageError(`Cannot use option "${name}=${value}": found a value, want none`);
  }
  if (spec.apply !== undefined) spec.apply(settings, value ?? '');
  else if (spec.isSilent !== true) return `Option "${name}" does nothing here: ${spec.does}`;
  return undefined;
}

function unknownOption(name: string): UserError {
  const meant = suggest(name, Object.keys(OPTIONS));
  const hint = meant === undefined ? 'tsbuild-overlayfs --help' : `Did you mean "${meant}"?`;
  return new UserError('TSB_USAGE', `Cannot use option "${name}": there is no such option`, {
    hint,
  });
}

/** A mistake of the command line. */
export function usageError(message: string): UserError {
  return new UserError('TSB_USAGE', message, { hint: 'tsbuild-overlayfs --help' });
}
