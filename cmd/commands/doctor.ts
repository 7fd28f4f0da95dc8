import type { Finding } from '../../src/exec/doctor.js';
import { EXIT } from '../../src/util/error-codes.js';
import { defineCommand, type Command } from '../command.js';
import { storeRootOf } from '../store.js';
import { styleFor, type Style } from '../style.js';
import { formatTable } from '../table.js';

/** Version of the JSON that `--json` prints. */
const DOCTOR_VERSION = 1;

function paint(status: Finding['status'], style: Style): string {
  if (status === 'ok') return style.green(status);
  return status === 'warning' ? style.yellow(status) : style.red(status);
}

/** The findings as a table; each hint below its line. */
export function formatFindings(findings: readonly Finding[], style: Style): string[] {
  const rows = formatTable(findings.map(({ status, name, detail }) => [status, name, detail]));
  return findings.flatMap(({ status, hint }, index) => {
    const row = (rows[index] ?? '').replace(status, paint(status, style));
    return hint === undefined ? [row] : [row, `         ${style.cyan('hint:')} ${hint}`];
  });
}

export const doctorCommand: Command = defineCommand({
  name: 'doctor',
  describe: 'Tell what this machine lacks for tsbuild',
  positionals: {},
  options: { json: { type: 'boolean', describe: 'Print JSON' } },
  epilogue: 'Exits with 1 if something is missing that a build needs.',
  async run({ options }, context) {
    const { examine } = await import('../../src/exec/doctor.js');
    const findings = await examine({ storeRoot: await storeRootOf(context) });
    if (options.json) {
      context.print(JSON.stringify({ doctorVersion: DOCTOR_VERSION, findings }, null, 2));
    } else {
      const style = styleFor(process.stdout, context.env);
      for (const line of formatFindings(findings, style)) context.print(line);
    }
    return findings.some(({ status }) => status === 'missing') ? EXIT.failed : EXIT.ok;
  },
});
