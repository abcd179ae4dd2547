#include "weights/convert/read/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/utf8.h"
#include "weights/convert/read/text.h"

/* A header of 28,000 tensors, five times as many as the largest network has, has as many values. A value takes up to 128
 * bytes and may come from two, so that this limit bounds the memory that a hostile text takes. */
enum { JSON_DEPTH = 64, JSON_VALUES = 1 << 18 };

typedef struct json_reader {
  const char *text;
  size_t length, at;
  size_t values;
  const char *what;
  dit_error *error;
} json_reader;

/* Both return 0, which means failure for most functions here. */
static int fail(json_reader *r, const char *sentence) {
  dit__fail(r->error, DIT_ERROR_FORMAT, "%s: not valid JSON at byte %zu: %s", r->what, r->at, sentence);
  return 0;
}

static int fail_memory(json_reader *r) {
  dit__fail(r->error, DIT_ERROR_MEMORY, "%s: out of memory", r->what);
  return 0;
}

static void skip_space(json_reader *r) {
  while (r->at < r->length && r->text[r->at] && strchr(" \t\r\n", r->text[r->at])) r->at++;
}

/* Returns the next character, or 0 at the end. (A NUL in the text is valid nowhere, so it may look like the end.) */
static char peek(const json_reader *r) { return r->at < r->length ? r->text[r->at] : 0; }

/* Takes four hexadecimal digits and returns their value, or -1 if they are not there. */
static int read_hex(json_reader *r) {
  int value = 0;
  for (int i = 0; i < 4; i++) {
    char c = peek(r);
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return -1;
    value = value << 4 | digit;
    r->at++;
  }
  return value;
}

/* Takes what follows "\u", both halves of a surrogate pair included. Returns the code point, or -1 with a message. */
static long read_code_point(json_reader *r) {
  long code = read_hex(r);
  if (code >= 0xd800 && code < 0xdc00) {
    long low = -1;
    if (peek(r) == '\\' && r->at + 1 < r->length && r->text[r->at + 1] == 'u') r->at += 2, low = read_hex(r);
    code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : -2;
  } else if (code >= 0xdc00 && code < 0xe000) {
    code = -2;
  }
  if (code == 0)
    fail(r, "a NUL character in a string");
  else if (code < 0)
    fail(r, code == -1 ? "\\u needs four hexadecimal digits" : "half of a surrogate pair");
  return code <= 0 ? -1 : code;
}

static size_t put_code_point(char *out, long code) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  size_t bytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = bytes - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3f));
  out[0] = (char)((0xf00 >> bytes & 0xff) | code);
  return bytes;
}

/* Takes one character or escape of a string. Returns the bytes written to `out`, or 0 with a message. */
static size_t read_character(json_reader *r, char *out) {
  if (peek(r) != '\\') {
    size_t bytes = utf8_size(r->text + r->at, r->length - r->at);
    if ((unsigned char)peek(r) < 0x20)
      fail(r, "a control character in a string");
    else if (bytes == 0)
      fail(r, "a string is not UTF-8");
    if (bytes == 0 || (unsigned char)peek(r) < 0x20) return 0;
    memcpy(out, r->text + r->at, bytes);
    r->at += bytes;
    return bytes;
  }
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  r->at++;
  char c = peek(r);
  const char *known = c ? strchr(names, c) : NULL;
  if (known) {
    r->at++;
    *out = values[known - names];
    return 1;
  }
  if (c != 'u') {
    fail(r, "an unknown escape in a string");
    return 0;
  }
  r->at++;
  long code = read_code_point(r);
  return code < 0 ? 0 : put_code_point(out, code);
}

/* Takes a string, from its opening quote on. Returns terminated UTF-8, or NULL with a message. */
static char *read_string(json_reader *r) {
  size_t end = ++r->at;
  while (end < r->length && r->text[end] != '"') end += r->text[end] == '\\' ? 2 : 1;
  if (end >= r->length) return fail(r, "a string without end"), NULL;
  char *out = (char *)malloc(end - r->at + 1); /* an escape is never shorter than the character */
  if (!out) return fail_memory(r), NULL;
  size_t used = 0;
  while (r->at < end) {
    size_t bytes = read_character(r, out + used);
    if (bytes == 0) {
      free(out);
      return NULL;
    }
    used += bytes;
  }
  r->at = end + 1;
  out[used] = 0;
  return out;
}

static int skip_digits(json_reader *r) {
  size_t start = r->at;
  while (peek(r) >= '0' && peek(r) <= '9') r->at++;
  return r->at > start;
}

static int read_number(json_reader *r, json_value *v) {
  size_t start = r->at;
  if (peek(r) == '-') r->at++;
  int valid = 1;
  if (peek(r) == '0')
    r->at++;
  else
    valid = skip_digits(r);
  if (valid && peek(r) == '.') r->at++, valid = skip_digits(r);
  if (valid && (peek(r) == 'e' || peek(r) == 'E')) {
    r->at++;
    if (peek(r) == '+' || peek(r) == '-') r->at++;
    valid = skip_digits(r);
  }
  if (!valid) return fail(r, "a number is malformed");
  v->kind = JSON_NUMBER;
  v->text = text_copy(r->text + start, r->at - start);
  if (!v->text) return fail_memory(r);
  v->number = strtod(v->text, NULL); /* the converter keeps the "C" locale it starts in */
  return isfinite(v->number) || fail(r, "a number is out of range");
}

static int read_word(json_reader *r, json_value *v) {
  static const char *const words[] = {"null", "false", "true"};
  for (int i = 0; i < 3; i++) {
    size_t length = strlen(words[i]);
    if (r->length - r->at >= length && memcmp(r->text + r->at, words[i], length) == 0) {
      v->kind = i == 0 ? JSON_NULL : i == 1 ? JSON_FALSE : JSON_TRUE;
      r->at += length;
      return 1;
    }
  }
  return fail(r, r->at < r->length ? "a value was expected" : "the text ends too early");
}

static int check_keys(json_reader *r, const json_value *object) {
  const char **keys = (const char **)malloc((object->count + 1) * sizeof *keys);
  if (!keys) return fail_memory(r);
  size_t count = 0;
  for (const json_value *m = object->child; m; m = m->next) keys[count++] = m->key;
  const char *twice = text_duplicate(keys, count);
  char shown[TEXT_SHOWN];
  if (twice) {
    dit__fail(r->error, DIT_ERROR_FORMAT, "%s: the key \"%s\" occurs twice", r->what,
              text_shown(shown, twice, strlen(twice)));
  }
  free((void *)keys);
  return !twice;
}

static json_value *read_value(json_reader *r, int depth);

/* Takes elements or members and the closing bracket. */
static int read_children(json_reader *r, json_value *v, int depth) {
  char close = v->kind == JSON_OBJECT ? '}' : ']';
  json_value **link = &v->child;
  skip_space(r);
  while (v->count || peek(r) != close) {
    char *key = NULL;
    if (v->kind == JSON_OBJECT) {
      if (peek(r) != '"') return fail(r, "a key in quotes was expected");
      if (!(key = read_string(r))) return 0;
      skip_space(r);
      if (peek(r) != ':') {
        free(key);
        return fail(r, "a colon was expected");
      }
      r->at++;
    }
    json_value *child = read_value(r, depth + 1);
    if (!child) {
      free(key);
      return 0;
    }
    child->key = key;
    *link = child;
    link = &child->next;
    v->count++;
    if (peek(r) == close) break;
    if (peek(r) != ',') return fail(r, "a comma or a closing bracket was expected");
    r->at++;
    skip_space(r);
  }
  r->at++;
  return v->kind == JSON_ARRAY || check_keys(r, v);
}

/* Takes a value and the space around it. The recursion is as deep as the nesting, at most JSON_DEPTH. */
static json_value *read_value(json_reader *r, int depth) {
  skip_space(r);
  if (depth > JSON_DEPTH) return fail(r, "nested too deeply"), NULL;
  if (++r->values > JSON_VALUES) return fail(r, "more than 262144 values"), NULL;
  json_value *v = (json_value *)calloc(1, sizeof *v);
  if (!v) return fail_memory(r), NULL;
  char c = peek(r);
  int valid;
  if (c == '"') {
    v->kind = JSON_STRING;
    valid = (v->text = read_string(r)) != NULL;
  } else if (c == '{' || c == '[') {
    r->at++;
    v->kind = c == '{' ? JSON_OBJECT : JSON_ARRAY;
    valid = read_children(r, v, depth);
  } else if (c == '-' || (c >= '0' && c <= '9')) {
    valid = read_number(r, v);
  } else {
    valid = read_word(r, v);
  }
  if (!valid) {
    json_free(v);
    return NULL;
  }
  skip_space(r);
  return v;
}

json_value *json_parse(const char *text, size_t length, const char *what, dit_error *error) {
  json_reader reader = {text, length, 0, 0, what, error};
  json_value *v = read_value(&reader, 0);
  if (v && reader.at < length) {
    json_free(v);
    return fail(&reader, "something follows the value"), NULL;
  }
  return v;
}

void json_free(json_value *v) {
  while (v) {
    json_value *next = v->next;
    json_free(v->child);
    free(v->key);
    free(v->text);
    free(v);
    v = next;
  }
}

const json_value *json_member(const json_value *object, const char *key) {
  if (!object || object->kind != JSON_OBJECT) return NULL;
  for (const json_value *m = object->child; m; m = m->next) {
    if (strcmp(m->key, key) == 0) return m;
  }
  return NULL;
}

/* Converts digits. Returns 0 if the number does not fit into an int64_t. */
static int exact_integer(const char *digits, int negative, int64_t *out) {
  uint64_t value = 0, most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
  for (; *digits; digits++) {
    uint64_t digit = (uint64_t)(*digits - '0');
    if (value > (most - digit) / 10) return 0;
    value = value * 10 + digit;
  }
  *out = !negative ? (int64_t)value : value ? -(int64_t)(value - 1) - 1 : 0;
  return 1;
}

int json_integer(const json_value *v, int64_t low, int64_t high, int64_t *out) {
  if (!v || v->kind != JSON_NUMBER) return 0;
  int64_t value;
  int negative = v->text[0] == '-';
  if (!strpbrk(v->text, ".eE")) {
    if (!exact_integer(v->text + negative, negative, &value)) return 0;
  } else { /* 1e3, 2.0: exact as far as doubles are */
    if (!(fabs(v->number) <= 9007199254740992.0) || v->number != floor(v->number)) return 0;
    value = (int64_t)v->number;
  }
  if (value < low || value > high) return 0;
  *out = value;
  return 1;
}
