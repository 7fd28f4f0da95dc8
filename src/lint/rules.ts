/** What a check is about; `experimental`: only where `check=experimental=` asks for it. */
export interface LintRule {
  readonly description: string;
  readonly experimental?: true;
}

export type LintRuleName =
  | 'ConsistentInstructionCasing'
  | 'CopyIgnoredFile'
  | 'DuplicateStageName'
  | 'ExposeInvalidFormat'
  | 'ExposeProtoCasing'
  | 'FromAsCasing'
  | 'FromPlatformFlagConstDisallowed'
  | 'InvalidBaseImagePlatform'
  | 'InvalidDefaultArgInFrom'
  | 'InvalidDefinitionDescription'
  | 'JSONArgsRecommended'
  | 'LegacyKeyValueFormat'
  | 'MaintainerDeprecated'
  | 'MultipleInstructionsDisallowed'
  | 'NoEmptyContinuation'
  | 'RedundantTargetPlatform'
  | 'ReservedStageName'
  | 'SecretsUsedInArgOrEnv'
  | 'StageNameCasing'
  | 'UndefinedArgInFrom'
  | 'UndefinedVar'
  | 'WorkdirRelativePath';

/** The checks by their names in BuildKit, and what each wants. */
export const LINT_RULES: Readonly<Record<LintRuleName, LintRule>> = {
  ConsistentInstructionCasing: {
    description: 'All instructions are written in upper case, or all in lower case',
  },
  CopyIgnoredFile: {
    description: 'A file that COPY or ADD names is not one that the ignore file leaves out',
  },
  DuplicateStageName: { description: 'Each stage has a name of its own' },
  ExposeInvalidFormat: { description: 'EXPOSE has no IP address and no port of the host' },
  ExposeProtoCasing: { description: 'The protocol in EXPOSE is written in lower case' },
  FromAsCasing: { description: 'AS is written in the case of its FROM' },
  FromPlatformFlagConstDisallowed: {
    description: 'FROM --platform has a variable, or the stage is named for its platform',
  },
  InvalidBaseImagePlatform: { description: 'A base image is of the platform that is asked for' },
  InvalidDefaultArgInFrom: {
    description: 'FROM names an image also where no build argument is given',
  },
  InvalidDefinitionDescription: {
    description: 'A comment right above FROM or ARG describes it: `# NAME description`',
    experimental: true,
  },
  JSONArgsRecommended: {
    description: 'CMD and ENTRYPOINT are JSON arrays, so that the program gets the signals',
  },
  LegacyKeyValueFormat: { description: 'ENV and LABEL are written NAME=VALUE' },
  MaintainerDeprecated: { description: 'A label names the author, not MAINTAINER' },
  MultipleInstructionsDisallowed: {
    description: 'A stage has one CMD, one ENTRYPOINT and one HEALTHCHECK: the last one counts',
  },
  NoEmptyContinuation: { description: 'A continued instruction has no blank line in it' },
  RedundantTargetPlatform: {
    description: 'FROM --platform is not $TARGETPLATFORM, which it is without the flag',
  },
  ReservedStageName: { description: 'No stage is called scratch or context' },
  SecretsUsedInArgOrEnv: { description: 'Secrets are mounted, not given as ARG or ENV' },
  StageNameCasing: { description: 'Stage names are written in lower case' },
  UndefinedArgInFrom: { description: 'A variable in FROM is declared by an ARG above it' },
  UndefinedVar: { description: 'A variable is set before it is used' },
  WorkdirRelativePath: {
    description: "The first WORKDIR is absolute: the base image's may change",
  },
};

/** Whether a word names a check. */
export function isLintRule(name: string): name is LintRuleName {
  return Object.hasOwn(LINT_RULES, name);
}

/** Whether a check looks only where it is asked for. */
export function isExperimental(name: LintRuleName): boolean {
  return LINT_RULES[name].experimental === true;
}
