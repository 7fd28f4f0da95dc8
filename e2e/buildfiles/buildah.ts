// Builds folders of fixtures/buildfiles with buildah, and prints where its image differs from
// `expected`: settings and files. By hand, as root: node dist/e2e/buildfiles/buildah.js [NAME...]
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { enterNamespaces } from '../../src/exec/reexec.js';
import type { BuildfileCase } from '../../src/testing/buildfile-case.js';
import { reportImage } from '../../src/testing/image-report.js';
import { FixtureBuilds, runTsbuild } from './builds.js';

const FIXTURES = join(import.meta.dirname, '../../../fixtures/buildfiles');
const TIMEOUT_MS = 120_000;
/** Options of the harness, not of buildah. */
const OWN_OPTIONS = ['-t', '--progress'];

/** Runs buildah on a storage of its own. */
function buildah(
  work: string,
  args: readonly string[],
  { dir, env = {} }: { dir: string; env?: Readonly<Record<string, string>> },
): { exitCode: number; said: string } {
  const storage = ['--root', join(work, 'root'), '--runroot', join(work, 'run')];
  const result = spawnSync('buildah', [...storage, '--storage-driver', 'vfs', ...args], {
    cwd: dir,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
  });
  return { exitCode: result.status ?? 1, said: `${result.stdout}${result.stderr}` };
}

function argsOf({ name, args, env }: BuildfileCase): string[] {
  const options = args.filter(
    (arg, index) => !OWN_OPTIONS.includes(arg) && !OWN_OPTIONS.includes(args[index - 1] ?? ''),
  );
  const time = env['SOURCE_DATE_EPOCH'] === '' ? [] : ['--timestamp', '1700000000'];
  const fixed = ['--isolation', 'chroot', '--format', 'docker', '--layers', '--pull=never'];
  return ['build', '-t', name, ...fixed, ...time, ...options];
}

/** What each tool leaves or notes for itself. */
const OWN_LINES = [
  / (?:false|""|\{\}|\[\]|null|none)$/,
  /^ {2}(?:Hostname|ArgsEscaped|annotation) /,
  /^ {2}\+ \/(?:dev|proc|run|sys) dir /,
];

/** The lines of the sections `config` and `files`, without times: buildah sets all to one. */
function comparable(report: string): string[] {
  let section = '';
  return report
    .split('\n')
    .flatMap((line) => {
      if (!line.startsWith('  ')) section = line;
      if (section === 'config') return [withSortedKeys(line)];
      return section === 'files' ? [line.replace(/( \d+:\d+) \d{10}\b/, '$1')] : [];
    })
    .filter((line) => line.startsWith('  ') && !OWN_LINES.some((own) => own.test(line)));
}

function withSortedKeys(line: string): string {
  const [, key, json] = /^ {2}(\w+) (\{.*\})$/.exec(line) ?? [];
  if (key === undefined || json === undefined) return line;
  const entries = Object.entries(JSON.parse(json) as Record<string, unknown>);
  const shown = entries.filter(([name]) => name !== 'io.buildah.version').sort();
  return `  ${key} ${JSON.stringify(Object.fromEntries(shown))}`;
}

function differences(expected: string, found: string): string[] {
  const [a, b] = [comparable(expected), comparable(found)];
  return [
    ...a.filter((line) => !b.includes(line)).map((line) => `  tsbuild${line}`),
    ...b.filter((line) => !a.includes(line)).map((line) => `  buildah${line}`),
  ];
}

async function compare(builds: FixtureBuilds, work: string, name: string): Promise<string[]> {
  const each = builds.prepare(name);
  const built = buildah(work, argsOf(each), each);
  const expected = join(FIXTURES, name, 'expected');
  const refused = built.said
    .trim()
    .split('\n')
    .slice(-1)
    .map((line) => `  buildah: ${line}`);
  if (!existsSync(expected)) return built.exitCode === 0 ? ['  buildah builds it'] : [];
  if (built.exitCode !== 0) return refused;
  const archive = join(work, `${name}.tar`);
  const pushed = buildah(work, ['push', '-q', name, `docker-archive:${archive}`], each);
  if (pushed.exitCode !== 0) return [`  buildah: ${pushed.said}`];
  const pulled = await runTsbuild(['pull', `docker-archive:${archive}`, '-t', name], {});
  if (pulled.exitCode !== 0) return [`  tsbuild: ${pulled.said}`];
  const report = reportImage(await builds.read(name), await builds.read('base'));
  return differences(readFileSync(expected, 'utf8'), report);
}

async function main(words: readonly string[]): Promise<void> {
  const { argv, env } = process;
  enterNamespaces({ argv, env });
  const work = mkdtempSync(join(tmpdir(), 'tsbuild-buildah-'));
  try {
    const builds = new FixtureBuilds(FIXTURES, join(work, 'cases'));
    const archive = join(work, 'base.tar');
    execFileSync('mkdir', [join(work, 'cases')]);
    await builds.buildBase(['-o', `type=docker,dest=${archive},name=base`]);
    buildah(work, ['pull', `docker-archive:${archive}`], { dir: work });
    const known = readdirSync(FIXTURES, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'base')
      .map(({ name }) => name);
    for (const name of words.length > 0 ? words : known) {
      const lines = await compare(builds, work, name);
      process.stdout.write(
        `${[lines.length === 0 ? `${name} same` : name, ...lines].join('\n')}\n`,
      );
    }
  } finally {
    process.chdir('/');
    rmSync(work, { recursive: true, force: true });
  }
}

await main(process.argv.slice(2));
