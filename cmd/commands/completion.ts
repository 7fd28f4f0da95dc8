import { EXIT } from '../../src/util/error-codes.js';
import { UserError } from '../../src/util/errors.js';
import { defineCommand, word, type Command } from '../command.js';

/** The hidden word with which the scripts ask for completions: `tsbuild __complete WORDS`. */
export const COMPLETE_WORD = '__complete';

// Each asks the program itself, with the words so far, and falls back on file names.
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_tsbuild() {
  local current="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=($(compgen -W "$(tsbuild ${COMPLETE_WORD} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _tsbuild tsbuild`,
  zsh: `#compdef tsbuild
_tsbuild() {
  local -a replies
  replies=(\${(f)"$(tsbuild ${COMPLETE_WORD} "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#replies} )); then compadd -- $replies; else _files; fi
}
compdef _tsbuild tsbuild`,
  fish: `complete -c tsbuild -a '(tsbuild ${COMPLETE_WORD} (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'`,
};

export const completionCommand: Command = defineCommand({
  name: 'completion',
  describe: 'Print a completion script for a shell',
  positionals: { shell: { describe: 'bash, zsh or fish' } },
  options: {},
  epilogue:
    'Use:\n  bash: source <(tsbuild completion bash)\n  zsh:  source <(tsbuild completion zsh)\n' +
    '  fish: tsbuild completion fish | source',
  run(args, context) {
    const shell = word(args, 'shell');
    const script = SCRIPTS[shell];
    if (script === undefined) {
      const known = Object.keys(SCRIPTS).join(', ');
      throw new UserError('TSB_USAGE', `Cannot complete for shell "${shell}": want ${known}`);
    }
    context.print(script);
    return Promise.resolve(EXIT.ok);
  },
});
