/* The shared library of the demo: one function with something to do. */
#ifndef DEMO_CODEC_H
#define DEMO_CODEC_H

#include <stdint.h>

uint64_t codec_compress(uint64_t seed);

#endif
