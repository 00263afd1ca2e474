# make run    set-up, build, start, one call shown; stays up until Ctrl-C
# make test   everything that proves it
# make bench  the comparison with nginx, as a table
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
export PATH := $(CURDIR)/build/node/bin:$(PATH)

.PHONY: run programs build test unit sanitize fuzz integration browser lint harness tsan coverage bench fleet soak nightly format clean

run: programs
	@deploy/local/run.sh

# The three programs; `build` adds the tests' and the benchmark's.
programs: TARGETS := --target weir weir-control weir-proxy
programs build:
	@deploy/setup/bootstrap.sh run
	@cmake --preset release >build/cmake.log 2>&1 || { cat build/cmake.log; exit 1; }
	@cmake --build --preset release $(TARGETS) -- --quiet | sed '/^ninja: no work to do\.$$/d'

test:
	@deploy/setup/bootstrap.sh test
	@tests/run.sh

unit sanitize fuzz integration browser lint harness tsan coverage:
	@deploy/setup/bootstrap.sh test
	@tests/run.sh $@

fleet: build
	@tests/fleet/run.sh

bench soak: build
	@deploy/setup/bootstrap.sh bench
	@tests/$@/run.sh

nightly: build
	@deploy/setup/bootstrap.sh test
	@deploy/setup/bootstrap.sh bench
	@WEIR_NIGHTLY=1 tests/run.sh lint unit sanitize fuzz integration browser harness tsan coverage
	@tests/soak/run.sh
	@tests/bench/run.sh

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf build/release build/debug build/asan-ubsan build/tsan build/fuzz build/coverage
