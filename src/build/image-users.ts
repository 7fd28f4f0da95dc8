import { UserError } from '../util/errors.js';

/** One line of /etc/passwd. */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** One line of /etc/group. */
export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** The accounts of an image: of its own /etc/passwd and /etc/group, empty where it has none. */
export interface Accounts {
  readonly users: readonly PasswdEntry[];
  readonly groups: readonly GroupEntry[];
}

/** Whom a command runs as. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups: the own one first, as in BuildKit, the others ascending. */
  readonly groups: readonly number[];
  readonly home: string;
}

/** Owner and group of what a COPY makes. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** The largest id that the kernel takes: 2^32 - 1 means "no change" in chown(2). */
const ID_MAX = 0xfffffffe;

/** Parses passwd(5). Lines that are not well-formed are left out, as the C library does. */
export function parsePasswd(text: string): PasswdEntry[] {
  return rows(text).flatMap(([name, , uid, gid, , home]) => {
    const [uidNumber, gidNumber] = [parseId(uid), parseId(gid)];
    if (!name || uidNumber === undefined || gidNumber === undefined) return [];
    return [{ name, uid: uidNumber, gid: gidNumber, home: home ?? '' }];
  });
}

/** Parses group(5), with the same leniency. */
export function parseGroup(text: string): GroupEntry[] {
  return rows(text).flatMap(([name, , gid, members]) => {
    const gidNumber = parseId(gid);
    if (!name || gidNumber === undefined) return [];
    return [{ name, gid: gidNumber, members: (members ?? '').split(',').filter(Boolean) }];
  });
}

/**
 * Whom `USER spec` means (`name|uid[:group|gid]`, empty: root). A name comes from the image's
 * passwd; a number needs no entry, and then its group is 0, as in Docker. Further groups
 * hold only where the spec names no group.
 */
export function resolveUser(spec: string, accounts: Accounts): ResolvedUser {
  const [userPart = '', groupPart] = splitSpec(spec);
  const entry = findUser(userPart || '0', accounts);
  const uid = entry?.uid ?? requireId(userPart || '0', spec, 'user', '/etc/passwd');
  const home = entry?.home || (uid === 0 ? '/root' : '/');
  if (groupPart !== undefined) {
    const gid = resolveGroup(groupPart, spec, accounts);
    return { uid, gid, groups: [gid], home };
  }
  const gid = entry?.gid ?? 0;
  const groups = accounts.groups
    .filter(({ members }) => entry !== undefined && members.includes(entry.name))
    .map((group) => group.gid)
    .sort((a, b) => a - b);
  return { uid, gid, groups: [...new Set([gid, ...groups])], home };
}

const ROOT_NAME = 'root';

/**
 * The owner that `--chown=spec` means. A user alone: a number is the group as well, a name
 * brings its primary group. In an image without accounts root is 0.
 */
export function resolveOwner(spec: string, accounts: Accounts): Owner {
  const [userPart = '', groupPart] = splitSpec(spec);
  if (userPart === '') throw malformed(spec);
  const numeric = parseId(userPart);
  const entry = numeric === undefined ? findUser(userPart, accounts) : undefined;
  const known = numeric ?? entry?.uid ?? (userPart === ROOT_NAME ? 0 : undefined);
  const uid = known ?? requireId(userPart, spec, 'user', '/etc/passwd');
  if (groupPart !== undefined) {
    const isKnown = accounts.groups.some(({ name }) => name === groupPart);
    const gid = groupPart === ROOT_NAME && !isKnown ? 0 : resolveGroup(groupPart, spec, accounts);
    return { uid, gid };
  }
  return { uid, gid: entry?.gid ?? uid };
}

function splitSpec(spec: string): string[] {
  const parts = spec.split(':');
  if (parts.length > 2 || parts[1] === '') throw malformed(spec);
  return parts;
}

function findUser(part: string, { users }: Accounts): PasswdEntry | undefined {
  const numeric = parseId(part);
  return (
    users.find(({ name }) => name === part) ??
    (numeric === undefined ? undefined : users.find(({ uid }) => uid === numeric))
  );
}

function resolveGroup(part: string, spec: string, { groups }: Accounts): number {
  const entry = groups.find(({ name }) => name === part);
  return entry?.gid ?? requireId(part, spec, 'group', '/etc/group');
}

function requireId(part: string, spec: string, what: 'user' | 'group', file: string): number {
  const id = parseId(part);
  if (id !== undefined) return id;
  if (/^\d+$/.test(part)) {
    throw new UserError('TSB_BUILD', `Cannot use ${what} "${part}": want a number up to ${ID_MAX}`);
  }
  const whole = part === spec ? '' : ` of "${spec}"`;
  throw new UserError('TSB_BUILD', `Cannot find ${what} "${part}"${whole} in ${file}`, {
    hint: `Create the ${what} in an earlier RUN, or use a number`,
  });
}

function malformed(spec: string): UserError {
  return new UserError('TSB_BUILD', `Cannot use "${spec}" as an owner: want user[:group]`);
}

function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= ID_MAX ? id : undefined;
}

function rows(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));
}
