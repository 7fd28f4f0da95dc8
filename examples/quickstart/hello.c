#include <stdio.h>

int main(void) {
  puts("Hello from C, compiled in the image that tsbuild built.");
  return 0;
}
