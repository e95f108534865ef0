import assert from "node:assert/strict";
import { test } from "node:test";
import { fitName, nameOr, nameVariants, shortName, withoutParameters, withoutTemplates } from "../../../static/lib/names.js";

const cases = [
  // name, how tables show it, the shortest form
  ["main", "main", "main"],
  ["std::vector<int, std::allocator<int> >::push_back(int const&)", "std::vector::push_back", "push_back"],
  ["void std::sort<int*, std::less<> >(int*, int*, std::less<>)", "std::sort", "sort"],
  ["ns::Foo::operator()(int) const", "ns::Foo::operator()", "operator()"],
  ["ns::operator<<(std::ostream&, ns::Foo const&)", "ns::operator<<", "operator<<"],
  ["bool operator< <char>(Foo<char> const&, Foo<char> const&)", "operator<", "operator<"],
  ["ns::Ptr<T>::operator->() const", "ns::Ptr::operator->", "operator->"],
  ["Foo::operator bool() const", "Foo::operator bool", "operator bool"],
  ["operator new(unsigned long)", "operator new", "operator new"],
  ["(anonymous namespace)::run(int)", "(anonymous namespace)::run", "run"],
  ["a::f(int)::{lambda(int)#1}::operator()(int) const", "a::f::{lambda#1}::operator()", "operator()"],
  ["foo.part.0", "foo.part.0", "foo"],
  ["foo(int) [clone .cold]", "foo", "foo"],
  ["core::ptr::drop_in_place<T>::h0123456789abcdef", "core::ptr::drop_in_place", "drop_in_place"],
  ["<alloc::vec::Vec<T> as core::ops::Drop>::drop", "alloc::vec::Vec::drop", "drop"],
  ["main.(*Server).Serve", "main.(*Server).Serve", "Serve"],
  ["com.shop.cart.Cart.total", "com.shop.cart.Cart.total", "total"],
  ["<module>", "<module>", "<module>"],
  ["", "(no name)", "(no name)"],
  ["(anonymous)", "(anonymous)", "(anonymous)"],
  ["[unknown caller]", "[unknown caller]", "[unknown caller]"],
  ["libz.so.1.2.13+0x4f10", "libz.so.1.2.13+0x4f10", "+0x4f10"],
  ["renderd+0x41f20", "renderd+0x41f20", "+0x41f20"],
];

for (const [name, table, shortest] of cases)
  test(`shortens ${name}`, () => {
    assert.equal(shortName(name), table);
    assert.equal(nameVariants(name).at(-1), shortest);
  });

test("variants only get shorter", () => {
  for (const [name] of cases) {
    const variants = nameVariants(name);
    assert.equal(variants[0], name || "(no name)");
    for (let i = 1; i < variants.length; i++) assert.ok(variants[i].length < variants[i - 1].length && variants[i] !== "");
  }
});

test("broken names pass through", () => {
  for (const name of ["", "<", ">", "(", ")", "a<b", "a>b", "f(", "f)", "::", "operator", "operator<", "<<<>", "a<b>(", "}{", "\u0000", "a".repeat(9000)]) {
    assert.ok(nameVariants(name).length >= 1);
    assert.equal(typeof shortName(name), "string");
    assert.equal(typeof withoutTemplates(withoutParameters(name)), "string");
  }
});

test("fits the longest form there is room for, or cuts the shortest", () => {
  const variants = ["alpha::beta::gamma", "beta::gamma", "gamma"];
  assert.equal(fitName(variants, 30), "alpha::beta::gamma");
  assert.equal(fitName(variants, 12), "beta::gamma");
  assert.equal(fitName(variants, 5), "gamma");
  assert.equal(fitName(variants, 4), "gam…");
  assert.equal(fitName(variants, 2), "");
});

test("what has no name is told by its file", () => {
  assert.equal(nameOr("f", "/a/b.js"), "f");
  assert.equal(nameOr("", "/a/b.js"), "b.js: (no name)");
  assert.equal(nameOr("", ""), "(no name)");
});
