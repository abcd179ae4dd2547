/* Which known names are close to a misspelt one: edit distance with swaps of neighbours, case and separators apart. */
#include "closest.h"

#include <stdio.h>
#include <string.h>

enum { WORD_LIMIT = 48 }; /* longer words are compared by their beginning */

/* Lower case without spaces, '-' and '_'; returns the length. */
static int fold(const char *text, size_t length, char word[WORD_LIMIT]) {
  int count = 0;
  for (size_t i = 0; i < length && count < WORD_LIMIT; i++) {
    char c = text[i];
    if (c == ' ' || c == '-' || c == '_') continue;
    word[count++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
  }
  return count;
}

static int least(int a, int b) { return a < b ? a : b; }

/* Optimal string alignment: insertions, deletions, replacements and swaps of neighbours. */
static int distance(const char *a, int a_length, const char *b, int b_length) {
  int rows[3][WORD_LIMIT + 1]; /* rows i-2, i-1 and i of the table, by i % 3 */
  for (int j = 0; j <= b_length; j++) rows[0][j] = j;
  for (int i = 1; i <= a_length; i++) {
    int *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
    row[0] = i;
    for (int j = 1; j <= b_length; j++) {
      row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
      int swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = least(row[j], above2[j - 2] + 1);
    }
  }
  return rows[a_length % 3][b_length];
}

/* Of a name with several synonyms, "tench, Tinca tinca", the nearest counts. A name that begins with what was typed is
 * as good as one mistake. */
static int name_distance(const char *wanted, int wanted_length, const char *name) {
  int best = WORD_LIMIT;
  while (*name) {
    char word[WORD_LIMIT];
    size_t length = strcspn(name, ",");
    int word_length = fold(name, length, word);
    int begins = wanted_length >= 3 && word_length >= wanted_length && memcmp(word, wanted, (size_t)wanted_length) == 0;
    best = least(best, begins ? 1 : distance(wanted, wanted_length, word, word_length));
    name += length + (name[length] == ',');
  }
  return best;
}

void closest_offer(closest *c, const char *wanted, size_t length, const char *name) {
  char word[WORD_LIMIT];
  int word_length = fold(wanted, length, word);
  int near_enough = word_length < 3 ? word_length - 1 : 1 + word_length / 4; /* a third or a quarter may be wrong */
  int found = name_distance(word, word_length, name);
  if (found > near_enough) return;
  int place = c->count;
  while (place > 0 && c->best[place - 1].distance > found) place--;
  if (place == CLOSEST_KEPT) return;
  if (c->count < CLOSEST_KEPT) c->count++;
  memmove(&c->best[place + 1], &c->best[place], (size_t)(c->count - 1 - place) * sizeof c->best[0]);
  c->best[place].name = name;
  c->best[place].distance = found;
}

const char *closest_sentence(const closest *c, const char *prefix, char *text, size_t size) {
  size_t used = 0;
  text[0] = 0;
  for (int i = 0; i < c->count; i++) {
    const char *before = i == 0 ? " (did you mean " : i + 1 < c->count ? ", " : " or ";
    int wrote =
        snprintf(text + used, size - used, "%s%s%s%s", before, prefix, c->best[i].name, i + 1 < c->count ? "" : "?)");
    if (wrote < 0 || (size_t)wrote >= size - used) break;
    used += (size_t)wrote;
  }
  text[used] = 0;
  return text;
}
