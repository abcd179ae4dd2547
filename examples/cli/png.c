/* A picture as a PNG in memory, with texts in it; the work is LodePNG's. */
#include "png.h"

#include "lodepng/lodepng.h"
#include "message.h"

/* tEXt is Latin-1, iTXt UTF-8; they agree on printable ASCII. */
static int is_ascii(const char *text) {
  for (; *text; text++) {
    if ((*text < 32 && *text != '\n') || *text > 126) return 0;
  }
  return 1;
}

static unsigned add_texts(LodePNGInfo *info, const png_text *texts, int count) {
  unsigned error = 0;
  for (int i = 0; i < count && !error; i++) {
    error = is_ascii(texts[i].value) ? lodepng_add_text(info, texts[i].key, texts[i].value)
                                     : lodepng_add_itext(info, texts[i].key, "", "", texts[i].value);
  }
  return error;
}

int png_encode(const sheet *picture, const png_text *texts, int text_count, unsigned char **bytes, size_t *size) {
  LodePNGState state;
  lodepng_state_init(&state);
  LodePNGColorType type = picture->channels == 4 ? LCT_RGBA : LCT_RGB;
  state.encoder.auto_convert = 0; /* no palettes: every file of a model has the same layout */
  state.encoder.text_compression = 0;
  state.info_raw.colortype = type;
  state.info_png.color.colortype = type;
  *bytes = NULL;
  unsigned error = add_texts(&state.info_png, texts, text_count);
  if (!error) {
    error = lodepng_encode(bytes, size, picture->pixels, (unsigned)picture->width, (unsigned)picture->height, &state);
  }
  lodepng_state_cleanup(&state);
  return error ? fail(EXIT_FAILED, "the PNG cannot be made: %s", lodepng_error_text(error)) : EXIT_OK;
}
