import path from 'node:path';
import type { RegistryClient } from '../src/registry/client.js';
import type { Store } from '../src/store/store.js';
import type { CommandContext } from './command.js';
import { versionText } from './version.js';

type Context = Pick<CommandContext, 'storeRoot' | 'env'>;

/** Where the local store is: `--root`, else what the environment says. */
export async function storeRootOf(context: Context): Promise<string> {
  if (context.storeRoot !== undefined) return path.resolve(context.storeRoot);
  const { storeRoot } = await import('../src/store/paths.js');
  return storeRoot(context.env);
}

/** Opens the local store, made if it does not exist. */
export async function openStore(context: Context): Promise<Store> {
  const { Store } = await import('../src/store/store.js');
  return await Store.open(await storeRootOf(context));
}

/** `host:port,host:port` of the environment. */
function insecureRegistries(env: NodeJS.ProcessEnv): string[] {
  const list = env['TSBUILD_INSECURE_REGISTRIES'] ?? '';
  return list
    .split(',')
    .map((host) => host.trim())
    .filter((host) => host !== '');
}

/** Makes a client with the user's credentials; the caller disposes of it. */
export async function openRegistry(
  context: Pick<CommandContext, 'env' | 'logger' | 'warn'>,
): Promise<RegistryClient> {
  const { env, logger, warn } = context;
  const [{ RegistryClient }, { dockerConfigFile, dockerCredentials }] = await Promise.all([
    import('../src/registry/client.js'),
    import('../src/registry/credentials.js'),
  ]);
  return new RegistryClient({
    credentials: dockerCredentials(dockerConfigFile(env)),
    insecureRegistries: insecureRegistries(env),
    userAgent: `tsbuild/${versionText()}`,
    onRetry: (retry) => logger.warn({ ...retry }, 'registry: again'),
    onWarning: (domain, text) => warn(`warning: ${domain} says: ${text}`),
  });
}
