/* Suggestions for a misspelt name: those at the smallest edit distance, ignoring case and separators. */
#include "closest.h"

#include <stdio.h>
#include <string.h>

enum { MAX_WORD = 48 }; /* longer words are compared by their beginning */

/* Writes the text in lower case without spaces, '-' and '_', and returns its length. */
static int fold(const char *text, size_t length, char word[MAX_WORD]) {
  int count = 0;
  for (size_t i = 0; i < length && count < MAX_WORD; i++) {
    char c = text[i];
    if (c == ' ' || c == '-' || c == '_') continue;
    word[count++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
  }
  return count;
}

static int min_int(int a, int b) { return a < b ? a : b; }

/* Optimal string alignment distance: the number of insertions, deletions, replacements and swaps of neighbours. */
static int distance(const char *a, int a_length, const char *b, int b_length) {
  int rows[3][MAX_WORD + 1]; /* rows i-2, i-1 and i of the table, by i % 3 */
  for (int j = 0; j <= b_length; j++) rows[0][j] = j;
  for (int i = 1; i <= a_length; i++) {
    int *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
    row[0] = i;
    for (int j = 1; j <= b_length; j++) {
      row[j] = min_int(min_int(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
      int swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = min_int(row[j], above2[j - 2] + 1);
    }
  }
  return rows[a_length % 3][b_length];
}

/* Returns the distance to a name, or to the closest of its synonyms ("tench, Tinca tinca"). A name that begins with what
 * was typed counts as one mistake. */
static int name_distance(const char *wanted, int wanted_length, const char *name) {
  int best = MAX_WORD;
  while (*name) {
    char word[MAX_WORD];
    size_t length = strcspn(name, ",");
    int word_length = fold(name, length, word);
    int begins = wanted_length >= 3 && word_length >= wanted_length && memcmp(word, wanted, (size_t)wanted_length) == 0;
    best = min_int(best, begins ? 1 : distance(wanted, wanted_length, word, word_length));
    name += length + (name[length] == ',');
  }
  return best;
}

void closest_offer(closest *c, const char *wanted, size_t length, const char *name) {
  char word[MAX_WORD];
  int word_length = fold(wanted, length, word);
  /* About a quarter of the letters may be wrong. */
  int tolerance = word_length < 3 ? word_length - 1 : 1 + word_length / 4;
  int found = name_distance(word, word_length, name);
  if (found > tolerance) return;
  int place = c->count;
  while (place > 0 && c->best[place - 1].distance > found) place--;
  if (place == MAX_CLOSEST) return;
  if (c->count < MAX_CLOSEST) c->count++;
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
