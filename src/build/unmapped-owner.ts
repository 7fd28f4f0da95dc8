import { hasCode, UserError } from '../util/errors.js';

/** Does `work`, which makes `what`, and explains an owner that has no id in the user namespace. */
export async function explainOwner(what: string, work: () => void | Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof UserError || !hasCode(error, 'EINVAL')) throw error;
    throw new UserError(
      'TSB_BUILD',
      `Cannot make ${what}: an owner is outside the user namespace`,
      {
        hint: 'Use a smaller id, or get more of them: usermod --add-subuids, --add-subgids',
        cause: error,
      },
    );
  }
}
