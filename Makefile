# sluice: make help. Knobs may be set on the command line or in config.mk.
CC ?= cc
CXX ?= c++
PKG_CONFIG ?= pkg-config
NVCC ?= $(or $(shell command -v nvcc 2>/dev/null),$(wildcard /usr/local/cuda/bin/nvcc))
# what kernels are compiled for; make cuda-all: every target
CUDA_ARCHS ?= 90
CUDA_TARGETS := 75 80 86 89 90
PREFIX ?= /usr/local
OPT ?= -O2
VARIANT ?= release
-include config.mk

# `make asan test` builds and tests that variant: a variant's name among the goals sets it
VARIANTS := release debug asan tsan
ifneq ($(filter $(VARIANTS),$(MAKECMDGOALS)),)
VARIANT := $(lastword $(filter $(VARIANTS),$(MAKECMDGOALS)))
endif
B := build/$(VARIANT)

VARIANT_release := $(OPT)
VARIANT_debug := -O1 -DSLUICE_DEBUG=1
VARIANT_asan := -O1 -DSLUICE_DEBUG=1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
VARIANT_tsan := -O1 -DSLUICE_DEBUG=1 -fsanitize=thread
LINK_asan := -fsanitize=address,undefined
LINK_tsan := -fsanitize=thread

PACKAGES := libarchive zlib libdeflate libzstd jansson libturbojpeg libpng libwebp libcrypto libutf8proc
LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
LIB_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lcsv -ldnnl -lgomp -ldl -lpthread -lm
CHECK_LIBS := $(shell $(PKG_CONFIG) --libs check)

WARN := -Wall -Wextra -Wpedantic -Wno-psabi -Wshadow -Wstrict-prototypes -Wmissing-prototypes
# no contraction: a product and a sum round twice on every machine, so scores do not depend on the compiler
BASE := -std=c11 -D_GNU_SOURCE -g -Iinclude -Isrc -ffp-contract=off -fno-math-errno $(LIB_CFLAGS) $(VARIANT_$(VARIANT))
ALL_CFLAGS = $(BASE) $(WARN) -Wconversion $(CFLAGS)
TEST_CFLAGS = $(BASE) $(WARN) -Wno-format-truncation -I. -Itests -Itests/unit -Itests/device $(CFLAGS)
ALL_LDFLAGS = $(LINK_$(VARIANT)) $(LDFLAGS)

SRC := $(sort $(shell find src transforms -name '*.c'))
# device 'cuda': itself where there is nvcc, else the one that says why not; its parts are compiled in any case
SRC := $(filter-out $(if $(NVCC),src/infer/cuda/cuda_absent.c,src/infer/cuda/cuda_device.c),$(SRC))
OBJ := $(SRC:%.c=$(B)/%.o)
LIB_OBJ := $(filter-out $(B)/src/main.o,$(OBJ)) $(patsubst %.c,$(B)/user/%.o,$(USER_TRANSFORMS))

# Kernels are compiled twice: by nvcc where there is one, and by the host's C++ compiler for the model of a GPU that
# the tests run them on. The latter sees each load and store: of AddressSanitizer's or ThreadSanitizer's making in
# those variants, else through the calls that -fsanitize=thread puts there and simt_hooks.c answers.
KERNELS := $(sort $(wildcard src/infer/cuda/kernels/*.cu))
SIMT_KERNELS := $(KERNELS:%.cu=$(B)/simt/%.o)
# kernels that only tests have
SIMT_KERNELS += $(patsubst %.cu,$(B)/simt/%.o,$(wildcard tests/kernels/*.cu tests/kernels/*/*.cu))
SIMT_HELPERS := $(patsubst %.c,$(B)/%.o,$(wildcard tests/kernels/simt/*.c))
KERNEL_HELPERS := $(patsubst %.c,$(B)/%.o,$(filter-out tests/kernels/test_%,$(wildcard tests/kernels/*.c)))
ifneq ($(filter asan tsan,$(VARIANT)),)
SIMT_SEES := $(VARIANT_$(VARIANT)) -fno-sanitize=vptr
else
SIMT_SEES := -O1 -fsanitize=thread
SIMT_HOOKS := -DSIMT_HOOKS
endif
SIMT_FLAGS = -std=c++17 -D_GNU_SOURCE -DSL_SIMT -g -Iinclude -Isrc -Itests/kernels/simt $(LIB_CFLAGS) $(SIMT_SEES) \
  -ffp-contract=off -fno-math-errno -fno-strict-aliasing -fno-exceptions -fno-rtti -fno-threadsafe-statics \
  -Wall -Wextra -Wno-unknown-pragmas $(CXXFLAGS)
ifneq ($(NVCC),)
CUDA_HOME := $(abspath $(dir $(realpath $(NVCC)))/..)
EMPTY :=
# the same for all variants
CUDA_OBJ := $(KERNELS:%.cu=build/cuda/$(subst $(EMPTY) ,-,$(CUDA_ARCHS))/%.o)
CUDA_TEST_OBJ := $(patsubst %.cu,build/cuda/$(subst $(EMPTY) ,-,$(CUDA_ARCHS))/%.o,$(wildcard tests/kernels/*.cu))
# the planted faults are for the model alone
GPU_TESTS := $(patsubst tests/kernels/%.c,$(B)/gpu/%,$(filter-out %/test_faults.c,$(wildcard tests/kernels/test_*.c)))
GPU_BENCH := $(patsubst %.c,$(B)/%.o,$(wildcard tests/kernels/gpu/gpu_*.c))
CUDA_PTX := $(lastword $(CUDA_ARCHS))
CUDA_FLAGS = -std=c++17 -O3 -lineinfo -Xfatbin -compress-all -Iinclude -Isrc --threads 2 -ccbin $(lastword $(CXX)) \
  -Xcompiler -fno-exceptions,-fno-rtti,-fno-threadsafe-statics,-Wall,-Wextra,-Wno-unused-parameter \
  $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a),code=sm_$(a)) \
  -gencode arch=compute_$(CUDA_PTX),code=compute_$(CUDA_PTX) $(NVCCFLAGS)
# the runtime's own header
CUDA_HEADER := -DSL_CUDA_TOOLKIT -isystem $(CUDA_HOME)/include
$(B)/src/infer/cuda/%.o: BASE += $(CUDA_HEADER)
LIB_LIBS += -L$(CUDA_HOME)/lib64 -lcudart_static -lrt -ldl -lpthread
endif
DEVICE_HELPERS := $(patsubst %.c,$(B)/%.o,$(filter-out tests/device/test_%,$(wildcard tests/device/*.c)))
UNIT_HELPERS := $(patsubst %.c,$(B)/%.o,$(filter-out tests/unit/test_% tests/unit/plugin_%,$(wildcard tests/unit/*.c)))
TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c tests/device/test_*.c tests/fault/test_*.c tests/pipeline/test_*.c tests/kernels/test_*.c))
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,$(B)/tests/fuzz/replay_%,$(wildcard tests/fuzz/fuzz_*.c))
PLUGINS := $(B)/tests/unit/test_transform.so $(B)/tests/unit/test_transform_abi.so
BENCHES := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))

COMMIT := $(or $(shell git rev-parse --short=12 HEAD 2>/dev/null),unknown)

# SIMD files carry their own flags; they are compiled everywhere and chosen at run time
ARCH := $(shell $(CC) -dumpmachine)
ifneq ($(filter x86_64%,$(ARCH)),)
SIMD_avx2 := -mavx2 -mfma
SIMD_avx512 := -mavx512f -mavx512bw -mavx512vl -mavx512dq
endif

.PHONY: FORCE cuda-all gpu-tests gpu-check bundle all $(VARIANTS) test bench torture fuzz clean install help detect
all: detect $(B)/sluice samples/05-own-transform/model/quantiles.so
$(VARIANTS): all

detect: $(B)/.detected
$(B)/.detected: Makefile
	@mkdir -p $(B)
	@echo "build: $(VARIANT), $$($(CC) --version | head -n 1)"
	@echo "cpu: oneDNN $$(printf '#include <oneapi/dnnl/dnnl_version.h>\nDNNL_VERSION_MAJOR.DNNL_VERSION_MINOR.DNNL_VERSION_PATCH\n' | $(CC) -E -P - 2>/dev/null | tr -d ' \n')"
	@if [ -n "$(NVCC)" ]; then \
	   echo "cuda: nvcc $$($(NVCC) --version | sed -n 's/.*release \([0-9.]*\).*/\1/p'), kernels for sm_$(CUDA_ARCHS)"; \
	 else echo "cuda: no nvcc, built without; the cpu device does the work"; fi
	@touch $@

$(B)/sluice: $(B)/src/main.o $(B)/libsluice.a
	$(CC) $(ALL_LDFLAGS) -rdynamic -o $@ $< $(B)/libsluice.a $(LIB_LIBS)

$(B)/libsluice.a: $(LIB_OBJ) $(CUDA_OBJ) $(B)/.objects
	@rm -f $@
	@$(AR) rcs $@ $(LIB_OBJ) $(CUDA_OBJ)
# the kernels for every target, and PTX for what comes later
cuda-all:
	@$(MAKE) CUDA_ARCHS="$(CUDA_TARGETS)" all
# transforms of several files find their own headers
$(B)/transforms/%.o: BASE += -I.
# transforms that a user builds in: USER_TRANSFORMS="path/NAME.c ..."
USER_NAMES = $(basename $(notdir $(USER_TRANSFORMS)))
USER_TABLE = -D'SLUICE_USER_TRANSFORMS(X)=$(foreach name,$(1),X($(name)))'
$(B)/transforms/table.o: BASE += $(call USER_TABLE,$(USER_NAMES))
$(B)/transforms/table.o: $(B)/.user
$(B)/.user: FORCE
	@mkdir -p $(B)
	@echo '$(USER_TRANSFORMS)' | cmp -s - $@ || echo '$(USER_TRANSFORMS)' >$@
$(B)/user/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DSLUICE_BUILT_IN -MMD -MP -c -o $@ $<
# the fifth sample's, as a shared object beside its model, and in a program of its own for the tests
OWN := samples/05-own-transform/quantiles
samples/05-own-transform/model/quantiles.so: $(OWN).c include/sluice/transform.h
	$(CC) -O2 -shared -fPIC -I include -o $@ $<
$(B)/user/table.o: transforms/table.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(call USER_TABLE,quantiles) -MMD -MP -c -o $@ $<
$(B)/sluice-own: $(B)/src/main.o $(B)/user/table.o $(B)/user/$(OWN).o $(B)/libsluice.a
	$(CC) $(ALL_LDFLAGS) -rdynamic -o $@ $^ $(LIB_LIBS)
# what --version tells; outside a clone there is no commit to tell
$(B)/src/cli/help.o: BASE += -DSLUICE_COMMIT='"$(COMMIT)"'
$(B)/src/cli/help.o: $(B)/.commit
$(B)/.commit: FORCE
	@mkdir -p $(B)
	@echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' >$@
# a source that went away must leave the library too
$(B)/.objects: FORCE
	@mkdir -p $(B)
	@echo '$(LIB_OBJ) $(CUDA_OBJ)' | cmp -s - $@ || echo '$(LIB_OBJ) $(CUDA_OBJ)' >$@
FORCE:

$(B)/%_avx2.o: %_avx2.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(SIMD_avx2) -MMD -MP -c -o $@ $<
# every CPU with AVX2 has it, but number_list.c asks
$(B)/src/support/number_list_avx2.o: BASE += -mbmi
$(B)/%_avx512.o: %_avx512.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(SIMD_avx512) -MMD -MP -c -o $@ $<
$(B)/simt/%.o: %.cu
	@mkdir -p $(@D)
	$(CXX) $(SIMT_FLAGS) -MMD -MP -x c++ -c -o $@ $<
build/cuda/$(subst $(EMPTY) ,-,$(CUDA_ARCHS))/%.o: %.cu
	@mkdir -p $(@D)
	$(NVCC) $(CUDA_FLAGS) -MMD -MP -c -o $@ $<
$(B)/tests/kernels/%.o: tests/kernels/%.c
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -Itests/kernels/simt $(SIMT_HOOKS) -MMD -MP -c -o $@ $<
$(B)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# a user's transform, and one built for an ABI of another day
$(B)/tests/unit/test_transform.so: tests/unit/plugin_example.c
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -fPIC -shared -o $@ $<
$(B)/tests/unit/test_transform_abi.so: tests/unit/plugin_example.c
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -DPLUGIN_ABI=99 -fPIC -shared -o $@ $<
$(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(B)/libsluice.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS)
$(B)/tests/device/test_%: $(B)/tests/device/test_%.o $(DEVICE_HELPERS) $(B)/libsluice.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LIB_LIBS)
# all of the kernels as the host compiles them, first of all: no nvcc objects come out of the library then
$(B)/libkernels_simt.a: $(SIMT_KERNELS) $(SIMT_HELPERS)
	@rm -f $@
	@$(AR) rcs $@ $^
$(B)/tests/kernels/test_%: $(B)/tests/kernels/test_%.o $(KERNEL_HELPERS) $(B)/libkernels_simt.a $(B)/libsluice.a
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--whole-archive $(B)/libkernels_simt.a -Wl,--no-whole-archive \
	  $(B)/libsluice.a $(CHECK_LIBS) $(LIB_LIBS)
# device 'cuda' on the mock runtime and the model of a GPU: linked first, they stand in for cudart and nvcc's objects
MOCK := $(patsubst %.c,$(B)/%.o,$(wildcard tests/device/mock/*.c))
$(B)/tests/device/mock/%.o: tests/device/mock/%.c
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $(CUDA_HEADER) -MMD -MP -c -o $@ $<
$(B)/tests/device/test_cuda_%.o: tests/device/test_cuda_%.c
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $(CUDA_HEADER) -MMD -MP -c -o $@ $<
MOCK_PARTS = $(MOCK) $(B)/src/infer/cuda/cuda_device.o -Wl,--whole-archive $(B)/libkernels_simt.a -Wl,--no-whole-archive
$(B)/tests/device/test_cuda_%: $(B)/tests/device/test_cuda_%.o $(DEVICE_HELPERS) $(MOCK) $(B)/src/infer/cuda/cuda_device.o $(B)/libkernels_simt.a $(B)/libsluice.a
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(DEVICE_HELPERS) $(MOCK_PARTS) $(B)/libsluice.a $(CHECK_LIBS) $(LIB_LIBS)
# the program on them
$(B)/sluice-mock: $(B)/src/main.o $(MOCK) $(B)/src/infer/cuda/cuda_device.o $(B)/libkernels_simt.a $(B)/libsluice.a
	$(CC) $(ALL_LDFLAGS) -rdynamic -o $@ $< $(MOCK_PARTS) $(B)/libsluice.a $(LIB_LIBS)
# a model on cpu and cuda, beside each other
$(B)/model-pair-mock: $(B)/tests/kernels/gpu/model_pair.o $(MOCK) $(B)/src/infer/cuda/cuda_device.o $(B)/libkernels_simt.a $(B)/libsluice.a
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(MOCK_PARTS) $(B)/libsluice.a $(LIB_LIBS)
# cuDNN as far as it is called, for who opens it with dlopen
$(B)/tests/kernels/libmock_cudnn.so: tests/kernels/cudnn/mock_cudnn.c
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -fPIC -shared -o $@ $<
$(B)/tests/kernels/test_cudnn: ALL_LDFLAGS += -rdynamic
$(B)/tests/device/test_cuda_cudnn: ALL_LDFLAGS += -rdynamic
$(B)/tests/kernels/test_cudnn $(B)/tests/device/test_cuda_cudnn: | $(B)/tests/kernels/libmock_cudnn.so
# the same tests with nvcc's objects and on a GPU (tests/kernels/gpu)
$(B)/tests/kernels/gpu/%.o: TEST_CFLAGS += -isystem $(CUDA_HOME)/include
$(B)/gpu/test_%: $(B)/tests/kernels/test_%.o $(KERNEL_HELPERS) $(B)/tests/kernels/gpu/simt_gpu.o $(CUDA_TEST_OBJ) $(B)/libsluice.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LIB_LIBS)
$(B)/gpu/gpu_bench: $(GPU_BENCH) $(KERNEL_HELPERS) $(B)/tests/kernels/gpu/simt_gpu.o $(CUDA_TEST_OBJ) $(B)/libsluice.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LIB_LIBS)
$(B)/gpu/model_pair: $(B)/tests/kernels/gpu/model_pair.o $(B)/libsluice.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS)
# everything that only a GPU can show, here or from a bundle on a machine with nothing but a driver
ifeq ($(NVCC),)
gpu-check bundle gpu-tests: ; @echo "make $@: there is no nvcc (NVCC=/path/to/nvcc)" >&2; exit 69
else
gpu-check: all gpu-tests $(B)/tests/bench/model_bench
	@tests/kernels/gpu/check.sh $(RESULTS)
bundle: all gpu-tests $(B)/tests/bench/model_bench
	@tests/kernels/gpu/bundle.sh $(or $(BUNDLE),build/sluice-gpu.tar.xz)
gpu-tests: $(GPU_TESTS) $(B)/gpu/gpu_bench $(B)/gpu/model_pair
endif
$(B)/tests/bench/%: $(B)/tests/bench/%.o $(B)/libsluice.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS)
$(B)/tests/%: $(B)/tests/%.o $(UNIT_HELPERS) $(DEVICE_HELPERS) $(B)/libsluice.a
	$(CC) $(ALL_LDFLAGS) -rdynamic -o $@ $^ $(CHECK_LIBS) $(LIB_LIBS)
.SECONDARY:

test: all $(B)/sluice-own $(B)/sluice-mock $(B)/model-pair-mock $(TESTS) $(FUZZERS) $(PLUGINS)
	@tests/run.sh $(VARIANT)

bench: all $(BENCHES)
	@tests/bench/run.sh $(VARIANT)

torture: all
	@SLUICE_BIN=$(abspath $(B)/sluice) tests/pipeline/kill.sh $(or $(COUNT),200)

fuzz:
	@tests/fuzz/run.sh $(or $(SECONDS),60) $(TARGET)

SHARE := $(DESTDIR)$(PREFIX)/share
install: all
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/pkgconfig include/sluice) $(SHARE)/man/man1 \
	  $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	install $(B)/sluice $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(B)/libsluice.a $(DESTDIR)$(PREFIX)/lib/
	install -m 644 include/sluice/*.h $(DESTDIR)$(PREFIX)/include/sluice/
	printf '%s\n' 'Name: sluice' 'Description: batch inference jobs' "Version: $$($(B)/sluice --version | cut -d' ' -f2)" \
	  'Requires: $(PACKAGES)' 'Cflags: -I$(PREFIX)/include' 'Libs: -L$(PREFIX)/lib -lsluice -lcsv -ldnnl -lgomp -ldl -lpthread -lm' \
	  >$(DESTDIR)$(PREFIX)/lib/pkgconfig/sluice.pc
	$(B)/sluice --man >$(SHARE)/man/man1/sluice.1
	$(B)/sluice --completion=bash >$(SHARE)/bash-completion/completions/sluice
	$(B)/sluice --completion=zsh >$(SHARE)/zsh/site-functions/_sluice
	$(B)/sluice --completion=fish >$(SHARE)/fish/vendor_completions.d/sluice.fish

clean:
	rm -rf build

help:
	@echo "make               the program: $(B)/sluice"
	@echo "make test          every test (after: make debug test, make asan test, make tsan test)"
	@echo "make cuda-all      the program with kernels for every target (CUDA_ARCHS=90 is the default)"
	@echo "make gpu-tests     the kernels' tests for a GPU, in $(B)/gpu"
	@echo "make gpu-check     on a machine with a GPU: wrappers, kernels, sanitizer, models, timings; RESULTS=DIR"
	@echo "make bundle        the same as one file for a machine with only a driver; BUNDLE=FILE.tar.xz"
	@echo "make bench         throughput, each stage alone beside the whole"
	@echo "make torture       COUNT=200 random kills and resumes"
	@echo "make fuzz          SECONDS=60 of clang's libFuzzer for each parser, or for TARGET=decode alone"
	@echo "make install       PREFIX=/usr/local DESTDIR="
	@echo "knobs              CC CFLAGS LDFLAGS OPT VARIANT (or config.mk)"

-include $(SIMT_KERNELS:.o=.d) $(CUDA_OBJ:.o=.d) $(wildcard $(B)/tests/kernels/simt/*.d)
-include $(OBJ:.o=.d) $(TESTS:=.d) $(BENCHES:=.d) $(wildcard $(B)/tests/*/*.d $(B)/tests/*/*/*.d)
