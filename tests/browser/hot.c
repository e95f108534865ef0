/* A program whose profile is known: all its time goes to hot_function, called by
 * warm_function, for SECONDS of CPU time (default 2). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

__attribute__((noinline)) static uint64_t hot_function(uint64_t seed)
{
    for (int i = 0; i < 50000000; i++)
        seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed;
}

__attribute__((noinline)) static uint64_t warm_function(double seconds)
{
    uint64_t sum = 1;
    while ((double)clock() / CLOCKS_PER_SEC < seconds)
        sum += hot_function(sum);
    return sum;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    printf("%d\n", (int)(warm_function(seconds) & 1));
    return 0;
}
