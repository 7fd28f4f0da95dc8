/** How the files of an image are served to those who use them. */
export const FUSE_CHANNEL_OPTION = {
  type: 'string',
  choices: ['device', 'libfuse'],
  describe: 'How its files are served; libfuse, to compare: by the package fuse-native',
} as const;
