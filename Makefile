# libdit: make, make demo, make test, make check-long, make fuzz-long, make abi, make bench, make single, make install,
# make clean.
#
#   V=1                 shows whole commands instead of a line for each folder; warnings are always shown
#   -j1                 one command at a time; without -j, as many as there are processors
#   CC=clang            another compiler
#   CFLAGS="-O3"        other flags
#   OPENMP=1            the library starts threads by OpenMP where a host gives it none of its own
#   BUILD=dir           another place than build/; make test BUILD=dir tests what is built there
#   JOBS=1              how many tests run side by side; as many as there are processors
#   PREFIX, DESTDIR     where to install
#   BENCH=--full        what make bench measures; PYTHON=python3: one with numpy, for the quality of pictures

CFLAGS ?= -O2 -g0
OPENMP ?= 0
BUILD ?= build
PREFIX ?= /usr/local
INSTALL ?= install
PYTHON ?= python3

VERSION := 0.1.0
ABI := 0

WARNINGS := -Wall -Wextra
OPENMP_FLAG := $(if $(filter 1,$(OPENMP)),$(shell tools/openmp.sh $(CC)))
COMPILE = $(CC) $(CPPFLAGS) -I. $(CFLAGS) -std=gnu17 $(WARNINGS) $(OPENMP_FLAG)
LINK = $(CC) $(CFLAGS) $(OPENMP_FLAG) $(LDFLAGS)

SONAME := libdit.so.$(ABI)
COMMA := ,
SONAME_FLAG := $(if $(filter Linux,$(shell uname -s)),-Wl$(COMMA)-soname$(COMMA)$(SONAME))

THREADS_FLAG := $(if $(findstring mingw,$(CC)),,-pthread)

# ---- How make runs ----

# Without -j, one command for each processor. A make above this one has decided already, and so has -j on the command
# line, which GNU make 4 prefers by itself and 3.81 shows only to ps. `make clean all` must stay in order.
ifeq ($(MAKELEVEL)$(filter clean,$(MAKECMDGOALS)),0)
ASKED := $(shell echo "$$MAKEFLAGS") $(if $(filter 3.%,$(MAKE_VERSION)),$(shell ps -o args= -p $$PPID 2>/dev/null))
ifeq ($(filter -j% --jobs%,$(ASKED)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
endif
endif

# $(call say,CC,lib/core) prints "CC lib/core" the first time, unless V=1 shows the commands or -s asks for silence.
Q := $(if $(filter 1,$(V)),,@)
SILENT := $(findstring s,$(firstword -$(MAKEFLAGS)))
say = $(if $(Q),$(if $(SILENT)$(said-$1-$2),,$(eval said-$1-$2 := 1)$(info $1 $2)))
# What is compiled together: a folder, or a file in the root.
group = $(if $(findstring /,$<),$(patsubst %/,%,$(dir $<)),$<)

# ---- What there is ----

# The kernels take longest and come first.
KERNELS := $(wildcard lib/kernels/*.c)
LIBRARY := $(patsubst %.c,$(BUILD)/obj/%.o,$(KERNELS) $(filter-out $(KERNELS),$(wildcard *.c lib/*/*.c)))
CONVERT := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/main.c,$(wildcard weights/convert/*.c weights/convert/*/*.c)))
PNG := $(BUILD)/obj/examples/cli/lodepng/lodepng.o $(BUILD)/obj/examples/cli/png_memory.o
CLI := $(PNG) $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/png_memory.c,$(wildcard examples/cli/*.c)))
SHARED := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard programs/*.c))
SPRITES := $(BUILD)/obj/weights/sprites/sprites.o
FUZZ := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/engine.c,$(wildcard tests/fuzz/*.c)))
BENCH_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/bench/*.c))
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))
SCRIPTS := $(wildcard tests/test_*.sh)
FOLDERS := $(sort $(dir $(LIBRARY) $(CONVERT) $(CLI) $(SHARED) $(SPRITES) $(FUZZ) $(BENCH_OBJECTS)) \
  $(BUILD)/obj/examples/ $(BUILD)/obj/tests/ $(BUILD)/tests/)

PROGRAMS := $(BUILD)/dit $(BUILD)/dit-convert $(BUILD)/minimal
LIBRARIES := $(BUILD)/libdit.a $(BUILD)/libdit.so $(BUILD)/libdit_sprites.a

.PHONY: all demo test check-long abi bench fuzz-long single install clean force
.DELETE_ON_ERROR:
.SECONDARY:

all: $(LIBRARIES) $(PROGRAMS)

# ---- Compiling ----

# Objects depend on this file, which changes with the compiler and its flags.
$(BUILD)/flags: force
	@mkdir -p $(FOLDERS)
	@echo '$(COMPILE) / $(LINK)' | cmp -s - $@ || echo '$(COMPILE) / $(LINK)' >$@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(call say,CC,$(group))
	$(Q)$(COMPILE) $(OBJECT_FLAGS) $(DEFINES) -MMD -MP -c $< -o $@

# The same objects serve the static and the shared library; only DIT_API is visible outside.
$(LIBRARY) $(SPRITES): OBJECT_FLAGS := -fPIC -fvisibility=hidden
$(SPRITES): weights/sprites/sprites.gguf
$(BUILD)/obj/examples/cli/lodepng/lodepng.o: DEFINES := -DLODEPNG_NO_COMPILE_ALLOCATORS
# What is no faster with -O2 is compiled faster with -O1, unless the flags were chosen by somebody.
ifeq ($(origin CFLAGS),file)
$(PNG) $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/*.c)): OBJECT_FLAGS := -O1
endif

define archive
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^
endef

define link
	$(call say,LD,$1)
	$(Q)$(LINK) $2 $^ $3 -lm -o $@
endef

$(BUILD)/libdit.a: $(LIBRARY)
	$(archive)
$(BUILD)/libdit_sprites.a: $(SPRITES)
	$(archive)
$(BUILD)/libconvert.a: $(CONVERT)
	$(archive)
# What dit and dit-convert share.
$(BUILD)/libprograms.a: $(SHARED)
	$(archive)

$(BUILD)/libfuzz.a: $(FUZZ)
	$(archive)

$(BUILD)/libdit.so: $(LIBRARY)
	$(call link,$@,-shared $(SONAME_FLAG))

$(BUILD)/dit: $(CLI) $(BUILD)/libprograms.a $(BUILD)/libdit_sprites.a $(BUILD)/libdit.a
	$(call link,$@,,$(THREADS_FLAG))
$(BUILD)/dit-convert: $(BUILD)/obj/weights/convert/main.o $(BUILD)/libconvert.a $(BUILD)/libprograms.a $(BUILD)/libdit.a
	$(call link,$@,,$(THREADS_FLAG))
$(BUILD)/minimal: $(BUILD)/obj/examples/minimal.o $(BUILD)/libdit.a
	$(call link,$@)
$(BUILD)/bench: $(BENCH_OBJECTS) $(BUILD)/libdit_sprites.a $(BUILD)/libconvert.a $(BUILD)/libprograms.a $(BUILD)/libdit.a
	$(call link,$@,,$(THREADS_FLAG))
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(BUILD)/libdit_sprites.a $(BUILD)/libconvert.a $(BUILD)/libprograms.a $(BUILD)/libdit.a $(PNG)
	$(call link,$(@D),,$(THREADS_FLAG))
$(filter $(BUILD)/tests/test_kernels_%,$(TESTS)): $(BUILD)/obj/tests/kernels_reference.o
$(BUILD)/tests/test_fuzz: $(BUILD)/obj/tests/test_fuzz.o $(FUZZ) $(filter-out %/main.o %/message.o,$(CLI)) \
  $(BUILD)/libdit_sprites.a $(BUILD)/libconvert.a $(BUILD)/libprograms.a $(BUILD)/libdit.a
	$(call link,$(@D),,$(THREADS_FLAG))

# ---- What people ask for ----

demo: $(BUILD)/dit
	@$(BUILD)/dit -c all -n 8 --scale 4 -o $(BUILD)/sprites.png
	@echo
	@echo "$(BUILD)/sprites.png is a sheet of sprites: a row for each class, a column for each seed."
	@echo "Next, try"
	@echo "  $(BUILD)/dit -c potion -n 16 -S 100 --scale 8 -o potions.png"
	@echo "  $(BUILD)/dit -c all -o sprite-%c.png"
	@echo "  $(BUILD)/dit --help"

test: all $(TESTS) $(BUILD)/tests/bits $(BUILD)/tests/abi
	@BUILD='$(BUILD)' tests/run.sh $(TESTS) $(SCRIPTS)

# What takes too long for .ci/run.
check-long: all $(BUILD)/tests/soak
	@$(BUILD)/tests/soak 1200
	@BUILD='$(BUILD)' nice tests/valgrind.sh

abi: $(BUILD)/libdit.so $(BUILD)/tests/abi
	@BUILD='$(BUILD)' tests/test_abi.sh

# Takes days, and goes on where it was stopped: see tests/fuzz/run.sh.
fuzz-long:
	@tests/fuzz/run.sh --long $(BUILD)/fuzz

bench: $(BUILD)/bench $(BUILD)/libdit.so $(BUILD)/dit-convert
	@$(BUILD)/bench $(BENCH)
	@if $(PYTHON) -c 'import numpy' 2>/dev/null; then $(PYTHON) tests/quality/bars.py --bench; \
	else echo 'quality of pictures: skipped, $(PYTHON) has no numpy (install python3-numpy, or name another PYTHON=)'; fi

single:
	$(call say,MAKE,dist/dit.h)
	$(Q)tools/single.sh dist/dit.h

install: all
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)$(INSTALL) -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/bin
	$(Q)$(INSTALL) -d $(DESTDIR)$(PREFIX)/share/man/man1
	$(Q)$(INSTALL) -m 644 dit.h dit_pool.h weights/sprites/dit_sprites.h $(DESTDIR)$(PREFIX)/include
	$(Q)$(INSTALL) -m 644 $(BUILD)/libdit.a $(BUILD)/libdit_sprites.a $(DESTDIR)$(PREFIX)/lib
	$(Q)$(INSTALL) -m 755 $(BUILD)/libdit.so $(DESTDIR)$(PREFIX)/lib/libdit.so.$(VERSION)
	$(Q)ln -sf libdit.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	$(Q)ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/libdit.so
	$(Q)$(INSTALL) -m 755 $(BUILD)/dit $(BUILD)/dit-convert $(DESTDIR)$(PREFIX)/bin
	$(Q)$(INSTALL) -m 644 docs/dit.1 $(DESTDIR)$(PREFIX)/share/man/man1
	$(Q)printf '%s\n' 'prefix=$(PREFIX)' 'Name: libdit' 'Description: Diffusion transformers as a C library' \
	  'Version: $(VERSION)' 'Cflags: -I$${prefix}/include' 'Libs: -L$${prefix}/lib -ldit' \
	  'Libs.private: -lm $(OPENMP_FLAG)' >$(DESTDIR)$(PREFIX)/lib/pkgconfig/dit.pc

clean:
	$(call say,REMOVE,$(BUILD))
	$(Q)rm -rf $(BUILD) dist

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
