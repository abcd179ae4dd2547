# libdit: make, make demo, make test, make abi, make bench, make single, make install, make clean.
#
#   CC=clang            another compiler
#   CFLAGS="-O3"        other flags
#   OPENMP=0            no OpenMP: one thread, or the host's own
#   BUILD=dir           another place than build/
#   PREFIX, DESTDIR     where to install
#   BENCH=--full        what make bench measures; PYTHON=python3: one with numpy, for the quality of pictures

CFLAGS ?= -O2 -g0
OPENMP ?= 1
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

# ---- What there is ----

LIBRARY := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard *.c lib/*/*.c))
CONVERT := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/main.c,$(wildcard weights/convert/*.c weights/convert/*/*.c)))
CLI := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard examples/cli/*.c) examples/cli/lodepng/lodepng.c)
PNG := $(BUILD)/obj/examples/cli/lodepng/lodepng.o $(BUILD)/obj/examples/cli/png_memory.o
$(BUILD)/obj/examples/cli/lodepng/lodepng.o: OBJECT_FLAGS := -DLODEPNG_NO_COMPILE_ALLOCATORS
BENCH_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/bench/*.c))
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))
SCRIPTS := $(wildcard tests/test_*.sh)

PROGRAMS := $(BUILD)/dit $(BUILD)/dit-convert $(BUILD)/minimal
LIBRARIES := $(BUILD)/libdit.a $(BUILD)/libdit.so $(BUILD)/libdit_sprites.a

.PHONY: all demo test abi bench single install clean force
.DELETE_ON_ERROR:
.SECONDARY:

all: $(LIBRARIES) $(PROGRAMS)

# ---- Compiling ----

# Objects depend on this file, which changes with the compiler and its flags.
$(BUILD)/flags: force
	@mkdir -p $(BUILD)
	@echo '$(COMPILE) / $(LINK)' | cmp -s - $@ || echo '$(COMPILE) / $(LINK)' >$@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(COMPILE) $(OBJECT_FLAGS) -MMD -MP -c $< -o $@

# The same objects serve the static and the shared library; only DIT_API is visible outside.
$(LIBRARY) $(BUILD)/obj/weights/sprites/sprites.o: OBJECT_FLAGS := -fPIC -fvisibility=hidden
$(BUILD)/obj/weights/sprites/sprites.o: weights/sprites/sprites.gguf

define archive
	rm -f $@
	$(AR) rcs $@ $^
endef

$(BUILD)/libdit.a: $(LIBRARY)
	$(archive)
$(BUILD)/libdit_sprites.a: $(BUILD)/obj/weights/sprites/sprites.o
	$(archive)
$(BUILD)/libconvert.a: $(CONVERT)
	$(archive)

$(BUILD)/libdit.so: $(LIBRARY)
	$(LINK) -shared $(SONAME_FLAG) $^ -lm -o $@

$(BUILD)/dit: $(CLI) $(BUILD)/libdit_sprites.a $(BUILD)/libdit.a
	$(LINK) $^ $(THREADS_FLAG) -lm -o $@
$(BUILD)/dit-convert: $(BUILD)/obj/weights/convert/main.o $(BUILD)/libconvert.a $(BUILD)/libdit.a
	$(LINK) $^ -lm -o $@
$(BUILD)/minimal: $(BUILD)/obj/examples/minimal.o $(BUILD)/libdit.a
	$(LINK) $^ -lm -o $@
$(BUILD)/bench: $(BENCH_OBJECTS) $(BUILD)/libdit_sprites.a $(BUILD)/libconvert.a $(BUILD)/libdit.a
	$(LINK) $^ -lm -o $@
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(BUILD)/libdit_sprites.a $(BUILD)/libconvert.a $(BUILD)/libdit.a $(PNG)
	@mkdir -p $(@D)
	$(LINK) $^ $(THREADS_FLAG) -lm -o $@

# ---- What people ask for ----

demo: all
	@$(BUILD)/dit -c all -n 8 --scale 4 -o $(BUILD)/sprites.png
	@echo
	@echo "$(BUILD)/sprites.png is a sheet of sprites: a row for each class, a column for each seed."
	@echo "Next, try"
	@echo "  $(BUILD)/dit -c potion -n 16 -S 100 --scale 8 -o potions.png"
	@echo "  $(BUILD)/dit -c all -o sprite-%c.png"
	@echo "  $(BUILD)/dit --help"

test: all $(TESTS) $(BUILD)/tests/bits $(BUILD)/tests/abi
	@BUILD='$(BUILD)' tests/run.sh $(TESTS) $(SCRIPTS)

abi: $(BUILD)/libdit.so $(BUILD)/tests/abi
	@BUILD='$(BUILD)' tests/test_abi.sh

bench: $(BUILD)/bench $(BUILD)/libdit.so $(BUILD)/dit-convert
	@$(BUILD)/bench $(BENCH)
	@if $(PYTHON) -c 'import numpy' 2>/dev/null; then $(PYTHON) tests/quality/bars.py --bench; \
	else echo 'quality of pictures: skipped, $(PYTHON) has no numpy (install python3-numpy, or name another PYTHON=)'; fi

single:
	tools/single.sh dist/dit.h

install: all
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/bin
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/share/man/man1
	$(INSTALL) -m 644 dit.h weights/sprites/dit_sprites.h $(DESTDIR)$(PREFIX)/include
	$(INSTALL) -m 644 $(BUILD)/libdit.a $(BUILD)/libdit_sprites.a $(DESTDIR)$(PREFIX)/lib
	$(INSTALL) -m 755 $(BUILD)/libdit.so $(DESTDIR)$(PREFIX)/lib/libdit.so.$(VERSION)
	ln -sf libdit.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/libdit.so
	$(INSTALL) -m 755 $(BUILD)/dit $(BUILD)/dit-convert $(DESTDIR)$(PREFIX)/bin
	$(INSTALL) -m 644 docs/dit.1 $(DESTDIR)$(PREFIX)/share/man/man1
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: libdit' 'Description: Diffusion transformers as a C library' \
	  'Version: $(VERSION)' 'Cflags: -I$${prefix}/include' 'Libs: -L$${prefix}/lib -ldit' \
	  'Libs.private: -lm $(OPENMP_FLAG)' >$(DESTDIR)$(PREFIX)/lib/pkgconfig/dit.pc

clean:
	rm -rf $(BUILD) dist

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
