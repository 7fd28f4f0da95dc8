import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/**
 * Which folder of src may import which: the one statement of the architecture's directions.
 * A folder may always import itself. Tests may import src/testing as well.
 */
const IMPORTS = {
  util: [],
  dockerfile: ['util'],
  oci: ['util'],
  lint: ['util', 'dockerfile', 'oci'],
  sys: ['util'],
  fuse: ['util', 'sys'],
  'fuse-native': ['util', 'sys', 'fuse'],
  layer: ['util', 'sys'],
  secrets: ['util', 'sys', 'layer'],
  overlay: ['util', 'sys', 'fuse', 'fuse-native', 'layer', 'secrets'],
  upperdir: ['util', 'sys', 'fuse', 'fuse-native', 'layer', 'overlay'],
  tar: ['util', 'sys', 'layer', 'oci'],
  store: ['util', 'sys', 'layer', 'oci', 'tar', 'overlay'],
  registry: ['util', 'oci'],
  remote: ['util'],
  output: ['util', 'sys', 'layer', 'oci', 'tar', 'store', 'overlay'],
  bootstrap: ['util', 'sys', 'layer', 'oci', 'tar', 'store'],
  exec: ['util', 'sys'],
  cache: ['util', 'sys', 'layer', 'oci', 'store'],
  build: [
    ...['util', 'sys', 'fuse', 'layer', 'overlay', 'oci', 'tar', 'store', 'registry', 'output'],
    ...['remote', 'dockerfile', 'lint', 'exec', 'cache', 'secrets'],
  ],
};
const FOLDERS = Object.keys(IMPORTS);

/** The same within a folder: which of its parts may import which; its own files may import all. */
const PARTS = {
  fuse: {
    protocol: [],
    mount: [],
    filesystems: ['protocol'],
    server: ['protocol', 'mount'],
  },
};

/** Matches a relative import of `folder` from any depth. */
const importsOf = (folder) => [`**/${folder}/*`, `**/${folder}/**`];

const KOFFI = { name: 'koffi', message: 'Only src/sys makes system calls.' };
const YARGS = { name: 'yargs', message: 'Only cmd parses command lines.' };

const direction = (folder, part) => {
  const forbidden = [...FOLDERS.filter((f) => f !== folder && !IMPORTS[folder].includes(f)), 'cmd'];
  const parts = part === undefined ? {} : PARTS[folder];
  const others = Object.keys(parts).filter((p) => p !== part && !parts[part].includes(p));
  return {
    files: [part === undefined ? `src/${folder}/**/*.ts` : `src/${folder}/${part}/**/*.ts`],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: folder === 'sys' ? [YARGS] : [KOFFI, YARGS],
          patterns: [
            {
              group: [...forbidden, 'testing'].flatMap(importsOf),
              message: `src/${folder} may import only: ${IMPORTS[folder].join(', ') || 'nothing'}.`,
            },
            ...others.map((other) => ({
              group: [`../${other}/*`],
              message: `src/${folder}/${part} may not import ${other}.`,
            })),
          ],
        },
      ],
      'no-console': 'error',
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'exit', message: 'Only cmd and process entries exit.' },
      ],
    },
  };
};
const directions = FOLDERS.flatMap((folder) => [
  direction(folder),
  ...Object.keys(PARTS[folder] ?? {}).map((part) => direction(folder, part)),
]);

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'fixtures/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'max-lines': ['error', { max: 500, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      complexity: ['error', 25],
    },
  },
  ...directions,
  { files: ['src/**/*-process.ts'], rules: { 'no-restricted-properties': 'off' } },
  {
    files: ['**/*.test.ts', 'e2e/**/*.ts', 'bench/**/*.ts', 'src/testing/**/*.ts'],
    rules: {
      'max-lines-per-function': 'off',
      'no-restricted-imports': 'off',
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            {
              from: 'package',
              name: [
                'test',
                'it',
                'describe',
                'suite',
                'before',
                'after',
                'beforeEach',
                'afterEach',
              ],
              package: 'node:test',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly' } },
  },
);
