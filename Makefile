# The few commands that a person needs; CMake and its presets do the work.
JOBS ?= $(shell nproc)
TEST_JOBS ?= 2

.PHONY: build demo test bench fuzz docs format tidy clean deps dev-deps docs-deps configure

build: configure
	cmake --build --preset release -j $(JOBS)

# Trains, packs, measures and stores the embedded default recipe.
demo: configure
	cmake --build --preset release -j $(JOBS) --target quantbench_program
	build/release/quantbench run

test: build
	ctest --preset release -j $(TEST_JOBS)

# Every Google Benchmark program (build/release/bench_*), one after the other.
bench: dev-deps build
	set -e; for program in build/release/bench_*; do $$program; done

# Every reader of foreign files, for FUZZ_SECONDS each, from its corpus; what it finds stays in
# build/asan/found.
FUZZ_SECONDS ?= 60
fuzz: dev-deps
	cmake --preset asan
	cmake --build --preset asan -j $(JOBS) --target fuzz
	tests/fuzz/run build/asan/fuzz $(FUZZ_SECONDS)

# The documentation site with the leaderboard of the reference: build/docs/site/index.html.
docs: docs-deps configure
	cmake --build --preset release -j $(JOBS) --target quantbench_program
	docs/build.py

format: dev-deps
	git ls-files -z '*.h' '*.cpp' | xargs -0 clang-format -i

# In a tree without precompiled headers: clang cannot read those of gcc.
tidy: dev-deps
	cmake --preset release -B build/tidy -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON \
	  -DQUANTBENCH_TESTS=OFF
	run-clang-tidy -quiet -p build/tidy -j $(JOBS) \
	  '^$(CURDIR)/(base|datasets|models|results|methods|runtime|bench)/.*\.cpp$$'

clean:
	rm -rf build

configure: deps
	cmake --preset release

deps:
	scripts/install_deps.sh

docs-deps:
	scripts/install_deps.sh --docs

dev-deps:
	scripts/install_deps.sh --dev
