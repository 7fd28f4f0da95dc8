/** How the build is told, but for `--progress`. */
export const REPORT_OPTIONS = {
  quiet: { type: 'boolean', alias: 'q', describe: 'Print only the digest of the image' },
  iidfile: { type: 'string', describe: 'File for the digest of the image' },
  'metadata-file': { type: 'string', describe: 'File for a report of the build, as JSON' },
} as const;
