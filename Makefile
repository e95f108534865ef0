# The commands people type. CMake does the work (CMakePresets.json).
.PHONY: all demo test soak deps test-deps soak-deps bench-deps bench clean

all: deps
	@cmake --preset release >/dev/null
	@cmake --build --preset release --target product -- --quiet

# Record a real program, show where its time went, serve the viewer.
# ONCE=1 ends after printing.
demo: all
	@examples/run-demo $(if $(ONCE),--once)

# Every test, on the program as it ships; then the unit tests again under
# AddressSanitizer and UndefinedBehaviorSanitizer with warnings as errors.
test: test-deps
	@cmake --preset release >/dev/null
	@cmake --build --preset release -- --quiet
	@ctest --test-dir build --output-on-failure -j "$$(nproc)"
	@cmake --preset asan >/dev/null
	@cmake --build --preset asan -- --quiet
	@ctest --test-dir build-asan --output-on-failure -j "$$(nproc)" -LE "e2e|browser"

# What takes long: real programs with and without a recorder, chaos, faults. Minutes
# to hours; NAMES="programs ..." runs some of it.
soak: soak-deps
	@cmake --preset release >/dev/null
	@cmake --build --preset release -- --quiet
	@tests/soak/run $(NAMES)

# What recording and storing cost, beside their peers, in some five minutes.
bench: bench-deps
	@cmake --preset release >/dev/null
	@cmake --build --preset release --target bench -- --quiet

deps:
	@packaging/install-deps build

test-deps:
	@packaging/install-deps test

soak-deps:
	@packaging/install-deps soak

bench-deps:
	@packaging/install-deps bench

clean:
	rm -rf build build-dev build-asan build-tsan
