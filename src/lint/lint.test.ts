import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { parseBuildfileSyntax } from '../dockerfile/buildfile.js';
import { parseIgnore } from '../dockerfile/ignore.js';
import { UserError } from '../util/errors.js';
import { type LintInputs, lintBuildfile } from './lint.js';
import { LINT_RULES, type LintRuleName } from './rules.js';

const PREDEFINED = {
  TARGETPLATFORM: 'linux/amd64',
  TARGETARCH: 'amd64',
  BUILDPLATFORM: 'linux/amd64',
};
const BASE = {
  env: { PATH: '/bin', LANG: 'C' },
  hasShell: false,
  platform: { os: 'linux', architecture: 'amd64' },
};
const INPUTS: LintInputs = { buildArgs: {}, predefined: PREDEFINED, baseOf: () => BASE };

function lint(text: string, inputs: Partial<LintInputs> = {}): string[] {
  const { warnings } = lintBuildfile(parseBuildfileSyntax(text, 'f'), { ...INPUTS, ...inputs });
  for (const { hint, source, message } of warnings) {
    assert.ok(hint !== '' && message !== '' && source.file === 'f');
  }
  return warnings.map(({ rule, source: { startLine, at } }) =>
    at === undefined ? `${rule}:${startLine}` : `${rule}:${at.line}:${at.column}+${at.length}`,
  );
}

type Case = readonly [text: string, ...found: string[]];

/** Per rule: files, and where it finds something in them. */
const CASES: Readonly<Record<LintRuleName, readonly Case[]>> = {
  StageNameCasing: [
    ['FROM a AS Builder', 'StageNameCasing:1:11+7'],
    ['FROM a AS builder'],
    ['FROM a'],
  ],
  FromAsCasing: [
    ['FROM a as b', 'FromAsCasing:1:8+2'],
    ['from a AS b', 'FromAsCasing:1:8+2'],
    ['FROM a aS b', 'FromAsCasing:1:8+2'],
    ['FROM a AS b'],
    ['from a as b'],
    // The keyword itself is in no case: another rule tells of it.
    ['From a as b\nFROM c', 'ConsistentInstructionCasing:1:1+4'],
  ],
  NoEmptyContinuation: [
    ['FROM a\nRUN b \\\n\n  c', 'NoEmptyContinuation:3'],
    ['FROM a\nRUN b \\\n#\n  c'],
  ],
  ConsistentInstructionCasing: [
    ['FROM a\nrun b\nRUN c', 'ConsistentInstructionCasing:2:1+3'],
    ['from a\nrun b\nRUN c', 'ConsistentInstructionCasing:3:1+3'],
    ['FROM a\nrun b', 'ConsistentInstructionCasing:2:1+3'],
    ['FROM a\nruN b', 'ConsistentInstructionCasing:2:1+3'],
    ['from a\nrun b'],
    ['arg x\nFROM a\nRUN b'],
  ],
  DuplicateStageName: [
    ['FROM a AS x\nFROM b AS X', 'StageNameCasing:2:11+1', 'DuplicateStageName:2'],
    ['FROM a AS x\nFROM b AS y'],
  ],
  ReservedStageName: [
    ['FROM a AS scratch', 'ReservedStageName:1:11+7'],
    ['FROM a AS context', 'ReservedStageName:1:11+7'],
    ['FROM scratch\nFROM a AS contexts'],
  ],
  JSONArgsRecommended: [
    ['FROM a\nCMD b', 'JSONArgsRecommended:2'],
    ['FROM a\nENTRYPOINT b c', 'JSONArgsRecommended:2'],
    ['FROM a\nCMD ["b"]\nENTRYPOINT []'],
    ['FROM a\nCMD ["b" "c"]'],
    ['FROM a\nSHELL ["/bin/bash", "-c"]\nCMD b'],
    ['FROM a AS b\nSHELL ["/bin/bash", "-c"]\nFROM b\nCMD c'],
  ],
  MaintainerDeprecated: [
    ['FROM a\nMAINTAINER me', 'MaintainerDeprecated:2:1+10'],
    ['FROM a\nLABEL org.opencontainers.image.authors=me'],
  ],
  UndefinedArgInFrom: [
    ['ARG tag=1\nFROM a:${tag}${vresion}', 'UndefinedArgInFrom:2:16+7'],
    ['FROM --platform=$BULIDPLATFORM a', 'UndefinedArgInFrom:1:18+13'],
    ['FROM --platform=$BUILDPLATFORM a'],
    ['ARG a\nFROM scratch$a'],
    ['ARG a\nFROM scra${a:-tch}'],
  ],
  WorkdirRelativePath: [
    ['FROM a\nWORKDIR app', 'WorkdirRelativePath:2'],
    ['FROM a\nWORKDIR app\nWORKDIR sub', 'WorkdirRelativePath:2'],
    ['FROM a\nWORKDIR /app\nWORKDIR sub'],
    ['FROM a AS b\nWORKDIR /app\nFROM b\nWORKDIR sub'],
    ['FROM a\nARG d=/app\nWORKDIR $d'],
  ],
  UndefinedVar: [
    ['FROM a\nCOPY $foo .\nARG foo=b', 'UndefinedVar:2:6+4'],
    ['FROM a\nENV PATH=$PAHT:/b', 'UndefinedVar:2:10+5'],
    ['FROM a\nLABEL a=${b:-c}', 'UndefinedVar:2:9+3'],
    ['FROM a\nUSER ${b:?d}', 'UndefinedVar:2:6+3'],
    // A default sees what was declared above it.
    ['FROM a\nARG b=${b:-c} d=$b', 'UndefinedVar:2:7+3'],
    ['FROM a\nARG b\nCOPY x$b $LANG'],
    ['FROM a AS b\nARG c\nFROM b\nCOPY $c .'],
    ['FROM a\nRUN echo $b\nCMD ["$b"]'],
    ['ARG b=c\nFROM a\nLABEL x=$b', 'UndefinedVar:3:9+2'],
    ['FROM a\nRUN --mount=type=cache,id=$b,target=/c echo $d', 'UndefinedVar:2:27+2'],
    ['FROM scratch\nLABEL x=$LANG', 'UndefinedVar:2:9+5'],
  ],
  MultipleInstructionsDisallowed: [
    [
      'FROM a\nCMD ["b"]\nENTRYPOINT ["c"]\nHEALTHCHECK NONE\nCMD ["d"]\nENTRYPOINT ["e"]\nHEALTHCHECK NONE',
      'MultipleInstructionsDisallowed:2',
      'MultipleInstructionsDisallowed:3',
      'MultipleInstructionsDisallowed:4',
    ],
    ['FROM a AS b\nCMD ["b"]\nFROM b\nCMD ["c"]'],
  ],
  LegacyKeyValueFormat: [
    ['FROM a\nENV b c\nLABEL d e f', 'LegacyKeyValueFormat:2:5+1', 'LegacyKeyValueFormat:3:7+1'],
    ['FROM a\nENV b=c\nLABEL d=e f=g'],
  ],
  InvalidBaseImagePlatform: [
    ['ARG P=linux/arm64\nFROM --platform=$P a', 'InvalidBaseImagePlatform:2:20+1'],
    ['FROM a'],
  ],
  RedundantTargetPlatform: [
    ['FROM --platform=$TARGETPLATFORM a', 'RedundantTargetPlatform:1:6+26'],
    ['FROM --platform=${TARGETPLATFORM} a', 'RedundantTargetPlatform:1:6+28'],
    ['FROM --platform=$BUILDPLATFORM a'],
    ['FROM --platform=linux/$TARGETARCH a'],
  ],
  SecretsUsedInArgOrEnv: [
    [
      'FROM a\nARG SECRET_B\nENV git_key=x apikey=y\nARG c=1 super_auth_d',
      'SecretsUsedInArgOrEnv:2:5+8',
      'SecretsUsedInArgOrEnv:3:5+7',
      'SecretsUsedInArgOrEnv:3:15+6',
      'SecretsUsedInArgOrEnv:4:9+12',
    ],
    ['FROM a\nARG PUBLIC_KEY\nENV PASSWORD_FILE=x TOKEN_VERSION=1 sunflower=x keyboard=y'],
    ['ARG TOKEN\nFROM a'],
  ],
  InvalidDefaultArgInFrom: [
    ['ARG v\nFROM a:$v', 'InvalidDefaultArgInFrom:2:6+4'],
    ['ARG i\nFROM $i', 'InvalidDefaultArgInFrom:2:6+2'],
    ['ARG s=x:\nFROM busy$s', 'InvalidDefaultArgInFrom:2:6+6'],
    ['ARG v=1\nFROM a:$v'],
    ['ARG v\nFROM a:1$v'],
    ['FROM a AS b\nFROM b'],
  ],
  FromPlatformFlagConstDisallowed: [
    ['FROM --platform=linux/amd64 a', 'FromPlatformFlagConstDisallowed:1:6+22'],
    ['FROM --platform=linux/amd64 a AS tool_amd64'],
    ['FROM --platform=linux/amd64 a AS linux'],
    ['ARG P=linux/amd64\nFROM --platform=$P a'],
  ],
  CopyIgnoredFile: [
    ['FROM a\nCOPY x/secret.txt .', 'CopyIgnoredFile:2:6+12'],
    ['FROM a\nARG f=secret.txt\nADD ok ./$f /b/', 'CopyIgnoredFile:3:8+4'],
    ['FROM a\nCOPY . .'],
    ['FROM a AS b\nFROM a\nCOPY --from=b secret.txt .'],
    ['FROM a\nADD https://example.org/secret.txt .'],
  ],
  InvalidDefinitionDescription: [
    [
      '# check=experimental=all\n# what\nFROM a AS b\n# c is\nARG c d\n# e\nARG d',
      'InvalidDefinitionDescription:3',
      'InvalidDefinitionDescription:7',
    ],
    ['# check=experimental=InvalidDefinitionDescription\n# what\n\nFROM a AS b\n# what\n#\nARG c'],
    ['# what\n#\n# d\nFROM a AS b\n# no description\nARG c'],
  ],
  ExposeProtoCasing: [
    ['FROM a\nEXPOSE 80/TCP 81/Udp', 'ExposeProtoCasing:2:8+6', 'ExposeProtoCasing:2:15+6'],
    ['FROM a\nEXPOSE 80/tcp 81'],
  ],
  ExposeInvalidFormat: [
    [
      'FROM a\nEXPOSE 127.0.0.1:80:80 [::1]:90:90 5000:5000',
      'ExposeInvalidFormat:2:8+15',
      'ExposeInvalidFormat:2:24+11',
      'ExposeInvalidFormat:2:36+9',
    ],
    ['FROM a\nEXPOSE 80 81-82/udp'],
  ],
};

const ignore = { hasExceptions: false, isAll: false, ignores: ignores('*/secret.txt\nsecret.txt') };

function ignores(text: string): (path: string) => boolean {
  const matcher = parseIgnore(text);
  return (path) => matcher.ignores(path);
}

test('there are 22 rules, each with a case that it finds and one that it does not', () => {
  assert.equal(Object.keys(LINT_RULES).length, 22);
  for (const [rule, cases] of Object.entries(CASES)) {
    const finds = cases.filter(([, ...found]) => found.some((each) => each.startsWith(rule)));
    assert.ok(finds.length > 0 && finds.length < cases.length, rule);
  }
});

test('docs/language.md has every rule, and what it wants', () => {
  const docs = readFileSync(join(import.meta.dirname, '../../../docs/language.md'), 'utf8');
  for (const [rule, { description, experimental }] of Object.entries(LINT_RULES)) {
    const row = docs.split('\n').find((line) => line.startsWith(`| \`${rule}\` `)) ?? '';
    const mark = experimental === true ? ' (experimental)' : '';
    assert.equal(row.split('|')[2]?.trim(), description + mark, rule);
  }
});

for (const [rule, cases] of Object.entries(CASES)) {
  for (const [text, ...found] of cases) {
    test(`${rule} in ${JSON.stringify(text)}`, () => {
      assert.deepEqual(lint(text, { ignore }), found);
    });
  }
}

test('CopyIgnoredFile knows the root only as a whole, and nothing where there are exceptions', () => {
  const text = 'FROM a\nCOPY . .\nCOPY b c';
  const all = { hasExceptions: false, isAll: true, ignores: ignores('*') };
  assert.deepEqual(lint(text, { ignore: all }), ['CopyIgnoredFile:2:6+1', 'CopyIgnoredFile:3:6+1']);
  const some = { hasExceptions: true, isAll: true, ignores: ignores('*\n!b') };
  assert.deepEqual(lint(text, { ignore: some }), []);
});

const BAD = 'FROM a as Base\ncmd x\n';
const OPTIONS: readonly (readonly [directive: string, found: string[]])[] = [
  ['# check=skip=all', []],
  ['# check=skip=FromAsCasing, StageNameCasing', ['StageNameCasing', 'JSONArgsRecommended']],
  ['# check=skip=FromAsCasing,StageNameCasing // why not', ['JSONArgsRecommended']],
  [
    '#check = error=false;skip=JSONArgsRecommended',
    ['StageNameCasing', 'FromAsCasing', 'ConsistentInstructionCasing'],
  ],
];
for (const [directive, found] of OPTIONS) {
  test(`lintBuildfile() with ${directive}`, () => {
    const rules = lint(`${directive}\n${BAD}`).map((each) => each.split(':')[0] ?? '');
    for (const rule of found) assert.ok(rules.includes(rule), rule);
    if (found.length === 0) assert.deepEqual(rules, []);
  });
}

test('a comment above an instruction skips rules for it alone', () => {
  const text = 'FROM a\n# check=skip=JSONArgsRecommended\nCMD b\nENTRYPOINT c';
  assert.deepEqual(lint(text), ['JSONArgsRecommended:4']);
  assert.deepEqual(lint('FROM a\n# why: check=skip=all\nCMD b'), ['JSONArgsRecommended:3']);
  assert.deepEqual(lint('FROM a\n# check=nonsense\nCMD b'), ['JSONArgsRecommended:3']);
  assert.deepEqual(lint('FROM a\n# check=skip=all // local\nENV password=b'), []);
});

test('error=true ends the build if there is a warning', () => {
  const run = (text: string, buildArgs = {}): boolean =>
    lintBuildfile(parseBuildfileSyntax(text, 'f'), { ...INPUTS, buildArgs }).isError;
  assert.equal(run('# check=error=true\nFROM a\nCMD b'), true);
  assert.equal(run('# check=error=true\nFROM a'), false);
  assert.equal(run('# check=skip=all;error=true\nFROM a\nCMD b'), false);
  const given = { BUILDKIT_DOCKERFILE_CHECK: 'skip=all' };
  assert.equal(run('# check=error=true\nFROM a\nCMD b', given), false);
});

for (const option of ['skip', 'ignore=all', 'error=maybe', 'skip=all;x=1']) {
  test(`lintBuildfile() refuses check=${option}`, () => {
    assert.throws(
      () => lint(`# syntax=docker/dockerfile:1\n# check=${option}\nFROM a`),
      (error) => error instanceof UserError && error.source?.startLine === 2 && !!error.hint,
    );
  });
}

/** Files that a build refuses, and what is said of it; undefined: it may build. */
const FAILURES: readonly (readonly [text: string, message: RegExp | undefined])[] = [
  ['FROM a\nENV b=${c', /^Cannot expand "\$\{c"/],
  ['FROM a\nARG b=${c:?say}', /"c" is not set: say/],
  ['FROM a\nRUN --mount=type=cahce x', /found type=cahce/],
  ['FROM a\nEXPOSE http', /^Cannot parse port "http"/],
  ['FROM a\nSTOPSIGNAL no', /^refused no$/],
  ['FROM a\nARG s=no\nSTOPSIGNAL $s', /^refused no$/],
  // What the base image sets first.
  ['FROM a\nENV b=${FROM_TRIGGER:?}', undefined],
  ['FROM a AS x\nONBUILD ARG t=1\nFROM x\nENV b=${t:?}', undefined],
  ['FROM a AS x\nONBUILD ARG t=1\nENV b=${t:?}', /"t" is not set/],
  // Of ENV and ARG the later one; in a stage that is FROM it, ENV again.
  ['FROM a AS x\nENV v=1\nARG v=no\nFROM x\nSTOPSIGNAL $v', undefined],
  ['FROM a AS x\nENV v=1\nARG v=no\nSTOPSIGNAL $v', /^refused no$/],
];
for (const [text, message] of FAILURES) {
  test(`what a build refuses of ${JSON.stringify(text)}`, () => {
    const { failure } = lintBuildfile(parseBuildfileSyntax(text, 'f'), {
      ...INPUTS,
      baseOf: () => ({ ...BASE, triggers: ['ENV FROM_TRIGGER=1'] }),
      validate: (instruction) => {
        if (instruction.kind !== 'stopsignal' || instruction.signal !== 'no') return;
        throw new UserError('TSB_BUILD', `refused ${instruction.signal}`);
      },
    });
    if (message === undefined) assert.equal(failure, undefined);
    else assert.match(failure?.message ?? '', message);
    assert.ok(failure === undefined || failure.source !== undefined);
  });
}

test('what may be set by an unknown base image is no failure', () => {
  const text = 'FROM a\nENV b=${c:?} PATH=${PATH:?}\nFROM d\nENV e=${f';
  const run = (stages: number[]): string | undefined =>
    lintBuildfile(parseBuildfileSyntax(text, 'f'), { ...INPUTS, stages, baseOf: () => undefined })
      .failure?.message;
  assert.equal(run([0]), undefined);
  assert.match(run([0, 1]) ?? '', /^Cannot expand/);
});

test('names that no rule has are told', () => {
  const text = '# check=skip=StageNameCase,none;experimental=all\nFROM a';
  const { unknown } = lintBuildfile(parseBuildfileSyntax(text, 'f'), INPUTS);
  assert.deepEqual(unknown, [
    {
      message: 'The check options name "StageNameCase", which is no check',
      hint: 'docs/language.md lists the checks',
    },
    {
      message: 'The check options name "none", which is no check',
      hint: 'docs/language.md lists the checks',
    },
  ]);
  const near = lintBuildfile(
    parseBuildfileSyntax('# check=skip=StageNameCasign\nFROM a', 'f'),
    INPUTS,
  );
  assert.equal(near.unknown[0]?.hint, 'Did you mean StageNameCasing?');
});

test('what depends on an unknown base image is not reported, and the stage is named', () => {
  const text = 'FROM a\nCOPY $x y\nFROM b\nCOPY c d\nFROM e\nCMD f';
  const buildfile = parseBuildfileSyntax(text, 'f');
  const { warnings, unsettled } = lintBuildfile(buildfile, { ...INPUTS, baseOf: () => undefined });
  assert.deepEqual(unsettled, [
    { index: 0, image: 'a' },
    { index: 2, image: 'e' },
  ]);
  assert.deepEqual(
    warnings.map(({ rule }) => rule),
    ['JSONArgsRecommended'],
  );
});

test('only the stages asked for are looked into', () => {
  const text = 'FROM a AS Unused\nWORKDIR x\nFROM b\nCMD c';
  assert.deepEqual(lint(text, { stages: [1] }), [
    'StageNameCasing:1:11+6',
    'JSONArgsRecommended:4',
  ]);
});
