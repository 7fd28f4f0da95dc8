import { EXIT } from '../../src/util/error-codes.js';
import { defineCommand, type Command } from '../command.js';
import { versionText } from '../version.js';

export const versionCommand: Command = defineCommand({
  name: 'version',
  describe: 'Print the version',
  positionals: {},
  options: { json: { type: 'boolean', describe: 'Print JSON' } },
  run({ options }, context) {
    const { arch, platform, versions } = process;
    const version = versionText();
    if (options.json) {
      context.print(JSON.stringify({ version, node: versions.node, platform, arch }, null, 2));
    } else {
      context.print(`tsbuild ${version} (Node ${versions.node}, ${platform} ${arch})`);
    }
    return Promise.resolve(EXIT.ok);
  },
});
