// npm run bench [-- --rounds N] [--only run|build] [--dir DIR]: how long the quickstart takes with
// tsbuild and with others, interleaved. Needs root. docs/benchmarks.md explains the figures.
import { parseArgs } from 'node:util';
import { buildVariants } from './build-variants.js';
import { CachingProxy } from './caching-proxy.js';
import { formatTimings, interleave } from './measure.js';
import { runVariants } from './run-variants.js';
import { openWorkbench } from './workbench.js';

const OPTIONS = {
  rounds: { type: 'string', default: '3' },
  only: { type: 'string' },
  dir: { type: 'string', default: '/var/tmp/tsbuild-bench' },
} as const;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds wants a number from 1');
  if (process.getuid?.() !== 0) throw new Error('kernel overlayfs needs root');
  await using proxy = await CachingProxy.start();
  const workbench = await openWorkbench(values.dir, proxy.url);
  const tables: string[] = [];
  if (values.only !== 'build') {
    const timings = await interleave(runVariants(workbench), rounds, print);
    tables.push(...formatTimings('apt-get update and install', timings), '');
  }
  if (values.only !== 'run') {
    const timings = await interleave(await buildVariants(workbench), rounds, print);
    tables.push(...formatTimings('whole build', timings), '');
  }
  print('');
  for (const line of tables) print(line);
  print(
    `${rounds} rounds after a warm-up; ${proxy.misses} requests went to the network, all in it`,
  );
}

try {
  await main();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
