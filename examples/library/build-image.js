// Builds an image from a Buildfile in a string: node examples/library/build-image.js STORE OUTPUT
/* global AbortController */
import { build, enterNamespaces, parseOutputSpec, RegistryClient, Store } from 'tsbuild';

// Executes this program again in namespaces of its own, with the subordinate ids as a user.
enterNamespaces({ argv: process.argv, env: process.env });

const [storeRoot, output] = process.argv.slice(2);
const store = await Store.open(storeRoot);
const text = 'FROM scratch\nCOPY hello-fs.js /\nLABEL made.by=example\n';
const { imageDigest, steps } = await build(
  {
    context: import.meta.dirname,
    buildfile: { text, path: undefined },
    tags: ['example'],
    outputs: [parseOutputSpec(`type=oci,dest=${output}`)],
    ...{ buildArgs: {}, labels: {}, network: 'none', pull: 'missing' },
    ...{ noCache: false, push: false },
  },
  {
    store,
    registry: async () => new RegistryClient({ insecureRegistries: [], userAgent: 'example' }),
    emit: ({ kind }) => console.error(kind),
    signal: new AbortController().signal,
  },
);
console.log(imageDigest, steps.map(({ name }) => name).join(', '));
store[Symbol.dispose]();
