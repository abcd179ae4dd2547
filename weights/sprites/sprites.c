/* The embedded model: the bytes of sprites.gguf between two symbols, at a multiple of 64.
 *
 * gcc and clang: the assembler includes the file, whose path is relative to the directory of the compiler's call (the
 * repository's root) unless DIT_SPRITES_PATH says otherwise. Other compilers, or with DIT_SPRITES_ARRAY: compile in
 * addition the file that tools/embed.sh writes. */
#include "weights/sprites/dit_sprites.h"

#if defined(__GNUC__) && !defined(DIT_SPRITES_ARRAY)

#ifndef DIT_SPRITES_PATH
#define DIT_SPRITES_PATH "weights/sprites/sprites.gguf"
#endif

#if defined(__APPLE__)
#define SPRITES_SECTION ".section __TEXT,__const\n"
#define SPRITES_HIDDEN ".private_extern "
#define SPRITES_PREFIX "_"
#elif defined(_WIN32)
#define SPRITES_SECTION ".section .rdata,\"dr\"\n"
#define SPRITES_HIDDEN ".globl " /* symbols of a DLL are hidden unless exported */
#ifdef _WIN64
#define SPRITES_PREFIX ""
#else
#define SPRITES_PREFIX "_"
#endif
#else
#define SPRITES_SECTION ".section .rodata\n"
#define SPRITES_HIDDEN ".hidden "
#define SPRITES_PREFIX ""
#endif

/* clang-format off */
__asm__(
    SPRITES_SECTION
    ".globl " SPRITES_PREFIX "dit__sprites_begin\n"
    SPRITES_HIDDEN SPRITES_PREFIX "dit__sprites_begin\n"
    ".globl " SPRITES_PREFIX "dit__sprites_end\n"
    SPRITES_HIDDEN SPRITES_PREFIX "dit__sprites_end\n"
    ".balign 64\n"
    SPRITES_PREFIX "dit__sprites_begin:\n"
    ".incbin \"" DIT_SPRITES_PATH "\"\n"
    SPRITES_PREFIX "dit__sprites_end:\n"
    ".byte 0\n"
    ".text\n");
/* clang-format on */

extern const unsigned char dit__sprites_begin[], dit__sprites_end[];

static size_t sprites_size(void) { return (size_t)((uintptr_t)dit__sprites_end - (uintptr_t)dit__sprites_begin); }

#else

extern const unsigned char dit__sprites_begin[];
extern const size_t dit__sprites_size;

static size_t sprites_size(void) { return dit__sprites_size; }

#endif

dit_status dit_sprites_open(const dit_options *options, dit_model **model, dit_error *error) {
  return dit_model_open_memory(dit__sprites_begin, sprites_size(), options, model, error);
}

const void *dit_sprites_data(size_t *size) {
  *size = sprites_size();
  return dit__sprites_begin;
}
