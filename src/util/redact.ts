const WITH_USER = /\b([a-z][a-z0-9+.-]*):\/\/([^\s/?#@"']+)@/gi;

/**
 * The text with the credentials of its URLs left out: `https://***@host/`. The name of an ssh or
 * git user is no secret and stays, unless a password follows it.
 */
export function redactUrls(text: string): string {
  return replaceUsers(text, () => '***');
}

/** The same with stars for every character: what follows stays where it is. */
export function maskUrls(text: string): string {
  return replaceUsers(text, (user) => '*'.repeat(user.length));
}

function replaceUsers(text: string, replacement: (user: string) => string): string {
  return text.replace(WITH_USER, (whole, scheme: string, user: string) =>
    /^https?$/i.test(scheme) || user.includes(':') ? `${scheme}://${replacement(user)}@` : whole,
  );
}
