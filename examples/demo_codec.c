#include "demo_codec.h"

__attribute__((visibility("default"))) uint64_t codec_compress(uint64_t seed)
{
    uint64_t window[64];
    for (unsigned i = 0; i < 64; i++)
        window[i] = seed + i;
    for (unsigned round = 0; round < 9000; round++)
        for (unsigned i = 0; i < 64; i++)
            window[i] = (window[i] << 13 ^ window[(i + 7) % 64]) + round;
    return window[seed % 64];
}
