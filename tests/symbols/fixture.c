/* Code for tests/test_symbolicate.c: read for its names and lines, never run.
 * MARK plants a label on a nop, so that the test knows an address in each place;
 * comments of the form "line: x" tell it the lines. */
#include "mark.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

extern int fixture_sink(int x);

ALWAYS_INLINE int inner(int x)
{
    MARK(inner); /* line: inner */
    return x * 3;
}

ALWAYS_INLINE int middle(int x)
{
    int sum = fixture_sink(x);
    sum += inner(x + 1); /* line: call inner */
    return sum;
}

__attribute__((noinline)) int outer(int x) /* line: outer */
{
    int sum = x;
    MARK(outer); /* line: in outer */
    sum += fixture_sink(sum);
    sum += middle(sum); /* line: call middle */
    return fixture_sink(sum) + sum;
}

static __attribute__((noinline)) int hidden(int x)
{
    MARK(hidden); /* line: hidden */
    return fixture_sink(x) + 1;
}

static __attribute__((noinline)) int repeated(int x)
{
    x += fixture_sink(x);
    MARK(first_call);
    x ^= fixture_sink(x + 1);
    MARK(second_call);
    x -= fixture_sink(x * 5);
    MARK(third_call);
    return x;
}

int exported(int x)
{
    int sum = hidden(x) + repeated(x);
    __asm__ volatile("call fixture_sink@PLT" : "+a"(sum) : : "memory"); /* line: call */
    MARK(after_call); /* line: after call */
    return sum;
}

int fixture_sink(int x)
{
    __asm__ volatile("" : "+r"(x));
    return x;
}
