// C++ for tests/test_symbolicate.c; see fixture.c.
#include "mark.h"

int fixture_sink(int x);

namespace shop
{
template <class T> struct Cart {
    T sum;
    Cart(T start);
    T total(T more) const;
};

template <class T> __attribute__((noinline)) Cart<T>::Cart(T start) : sum(start)
{
    MARK(constructor); // line: constructor
}

template <class T> __attribute__((noinline)) T Cart<T>::total(T more) const
{
    MARK(total); // line: total
    return sum + more;
}

namespace
{
struct Clerk {
    int mood;
    __attribute__((noinline)) int ask(int x) const
    {
        MARK(clerk); // line: clerk
        return x + mood;
    }
};
} // namespace

template <class T, class F>
static inline __attribute__((always_inline)) T apply(T value, F change)
{
    return change(value); // line: apply
}

__attribute__((noinline)) int checkout(int x)
{
    Cart<long> cart(x);
    auto tax = [](int v) __attribute__((always_inline)) { // line: tax
        MARK(lambda); // line: lambda
        return v * 19;
    };
    Clerk clerk = {x};
    x += clerk.ask(fixture_sink(x));
    return apply(fixture_sink(x), tax) + (int)cart.total(x); // line: call apply
}
} // namespace shop

int entry(int x)
{
    return shop::checkout(x);
}

int fixture_sink(int x)
{
    __asm__ volatile("" : "+r"(x));
    return x;
}
