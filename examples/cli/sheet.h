/* A sheet: pictures in a grid, enlarged. */
#ifndef CLI_SHEET_H
#define CLI_SHEET_H

#include <stddef.h>
#include <stdint.h>

typedef struct sheet {
  int32_t width, height; /* pixels */
  int32_t channels;      /* 3: RGB, 4: RGBA */
  int32_t gap;           /* black or transparent pixels around each picture */
  uint8_t *pixels;       /* [height][width][channels] */
} sheet;

/* Creates a sheet of columns x rows pictures of width x height pixels with a gap around each, all enlarged `scale`
 * times. Returns EXIT_OK, or another exit status after a message. */
int sheet_create(sheet *s, int32_t columns, int32_t rows, int32_t width, int32_t height, int32_t channels,
                 int32_t scale, int32_t gap);
void sheet_free(sheet *s);

/* Draws a picture, [height][width][channels], at a place in the grid; each pixel becomes a square. */
void sheet_put(sheet *s, int32_t column, int32_t row, int32_t width, int32_t height, int32_t scale,
               const uint8_t *pixels);

#endif
