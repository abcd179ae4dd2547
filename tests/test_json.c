/* The JSON reader of the converter (weights/convert/read/json.c).
 * Fails if a text that RFC 8259 allows is refused or read as something else, if one that it does not allow is accepted,
 * or if nesting, duplicate keys, cut or damaged text get through or crash. Expected values are written by hand. */
#include "tests/test.h"

#include "weights/convert/read/json.h"

/* Parses a copy of exactly `length` bytes, so that a sanitizer sees any read behind it. */
static json_value *parse(const char *text, size_t length, dit_error *error) {
  char *copy = (char *)malloc(length ? length : 1);
  if (length) memcpy(copy, text, length);
  memset(error, 0, sizeof *error);
  json_value *v = json_parse(copy, length, "text", error);
  free(copy);
  return v;
}

static void refuse(const char *text, size_t length, const char *fragment) {
  dit_error error;
  json_value *v = parse(text, length, &error);
  CHECK(!v, "accepted: %.*s", length < 80 ? (int)length : 80, text);
  CHECK(error.status == DIT_ERROR_FORMAT && strncmp(error.message, "text: ", 6) == 0 && strstr(error.message, fragment),
        "%.*s: message '%s', expected '%s'", length < 80 ? (int)length : 80, text, error.message, fragment);
  json_free(v);
}

static void test_values(void) {
  static const char text[] =
      " {\"null\":null,\"no\":false,\"yes\":true, \"number\" : -1.5e+2 "
      ",\"text\":\"a\",\"list\":[1,[],{}],\"\":0}\r\n\t ";
  dit_error error;
  json_value *v = parse(text, strlen(text), &error);
  if (!CHECK(v != NULL, "%s", error.message)) return;
  CHECK(v->kind == JSON_OBJECT && v->count == 7 && v->key == NULL, "object");
  CHECK(json_member(v, "null")->kind == JSON_NULL, "null");
  CHECK(json_member(v, "no")->kind == JSON_FALSE, "false");
  CHECK(json_member(v, "yes")->kind == JSON_TRUE, "true");
  const json_value *number = json_member(v, "number"), *list = json_member(v, "list");
  CHECK(number->kind == JSON_NUMBER && number->number == -150 && strcmp(number->text, "-1.5e+2") == 0, "number");
  CHECK(strcmp(json_member(v, "text")->text, "a") == 0, "text");
  CHECK(list->kind == JSON_ARRAY && list->count == 3 && list->child->number == 1 && list->child->key == NULL &&
            list->child->next->kind == JSON_ARRAY && list->child->next->next->kind == JSON_OBJECT,
        "list");
  CHECK(json_member(v, "") != NULL && json_member(v, "absent") == NULL, "members");
  CHECK(json_member(list, "x") == NULL && json_member(NULL, "x") == NULL, "members of what is no object");
  json_free(v);
  json_free(NULL);
}

static void test_strings(void) {
  static const struct {
    const char *text, *value;
  } cases[] = {
      {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
      {"\"\\u0041\\u00e9\\u20AC\"", "A\303\251\342\202\254"},
      {"\"\\ud83d\\ude00\\uDBFF\\uDFFF\"", "\360\237\230\200\364\217\277\277"},
      {"\"\303\251\342\202\254\360\237\230\200\177\"", "\303\251\342\202\254\360\237\230\200\177"},
      {"\"\"", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dit_error error;
    json_value *v = parse(cases[i].text, strlen(cases[i].text), &error);
    CHECK(v && v->kind == JSON_STRING && strcmp(v->text, cases[i].value) == 0, "%s: %s", cases[i].text, error.message);
    json_free(v);
  }
}

static void test_integers(void) {
  static const struct {
    const char *text;
    int valid;
    int64_t value;
  } cases[] = {
      {"0", 1, 0},
      {"-0", 1, 0},
      {"9223372036854775807", 1, INT64_MAX},
      {"9223372036854775806", 1, INT64_MAX - 1}, /* not a double */
      {"-9223372036854775808", 1, INT64_MIN},
      {"9223372036854775808", 0, 0},
      {"-9223372036854775809", 0, 0},
      {"18446744073709551617", 0, 0},
      {"1e3", 1, 1000},
      {"2.0", 1, 2},
      {"2.5", 0, 0},
      {"1e300", 0, 0},
      {"\"1\"", 0, 0},
      {"true", 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dit_error error;
    json_value *v = parse(cases[i].text, strlen(cases[i].text), &error);
    int64_t value = 0;
    int valid = json_integer(v, INT64_MIN, INT64_MAX, &value);
    CHECK(v && valid == cases[i].valid && value == cases[i].value, "%s: %d, %lld", cases[i].text, valid,
          (long long)value);
    json_free(v);
  }
  dit_error error;
  json_value *v = parse("7", 1, &error);
  int64_t value = 1;
  CHECK(!json_integer(v, 8, 9, &value) && !json_integer(v, 0, 6, &value) && value == 1, "range");
  CHECK(!json_integer(NULL, 0, 9, &value), "of nothing");
  json_free(v);
}

static void test_refused(void) {
  static const char *const cases[][2] = {{"", "ends too early"},
                                         {" ", "ends too early"},
                                         {"nul", "value was expected"},
                                         {"nullx", "follows"},
                                         {"True", "value"},
                                         {"NaN", "value"},
                                         {"Infinity", "value"},
                                         {"-", "number"},
                                         {"01", "follows"},
                                         {"+1", "value"},
                                         {".5", "value"},
                                         {"1.", "number"},
                                         {"1e", "number"},
                                         {"1e+", "number"},
                                         {"-a", "number"},
                                         {"0x1", "follows"},
                                         {"1e999", "range"},
                                         {"'a'", "value"},
                                         {"\"a", "without end"},
                                         {"\"\\\"", "without end"},
                                         {"\"a\nb\"", "control"},
                                         {"\"\\x41\"", "escape"},
                                         {"\"\\u12\"", "hexadecimal"},
                                         {"\"\\u12g4\"", "hexadecimal"},
                                         {"\"\\u0000\"", "NUL"},
                                         {"\"\\ud800\"", "surrogate"},
                                         {"\"\\ud800\\u0041\"", "surrogate"},
                                         {"\"\\udc00\"", "surrogate"},
                                         {"\"\\ud800x\"", "surrogate"},
                                         {"\"\300\200\"", "UTF-8"},
                                         {"\"\355\240\200\"", "UTF-8"},
                                         {"\"\377\"", "UTF-8"},
                                         {"\"\364\220\200\200\"", "UTF-8"},
                                         {"\"\342\202\"", "UTF-8"},
                                         {"\"\200\"", "UTF-8"},
                                         {"[", "early"},
                                         {"[1", "bracket"},
                                         {"[1,", "early"},
                                         {"[1,]", "value"},
                                         {"[,1]", "value"},
                                         {"[1 2]", "comma"},
                                         {"[1}", "comma"},
                                         {"]", "value"},
                                         {"{", "key"},
                                         {"{a:1}", "key"},
                                         {"{\"a\"}", "colon"},
                                         {"{\"a\":}", "value"},
                                         {"{\"a\":1,}", "key"},
                                         {"{\"a\":1 \"b\":2}", "comma"},
                                         {"{1:2}", "key"},
                                         {"{} {}", "follows"},
                                         {"// x\n1", "value"},
                                         {"1 /**/", "follows"},
                                         {"{\"a\":1,\"b\":2,\"a\":3}", "twice"},
                                         {"{\"a\":1,\"\\u0061\":3}", "twice"},
                                         {"[{\"a\":{},\"a\":[]}]", "twice"},
                                         {"\357\273\277{}", "value"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) refuse(cases[i][0], strlen(cases[i][0]), cases[i][1]);
  refuse("1\0", 2, "follows");
  refuse("\0", 1, "value");
  refuse("\"a\0b\"", 5, "control");
}

static void test_depth(void) {
  enum { DEEP = 1000000 };
  char *text = (char *)malloc(DEEP);
  memset(text, '[', DEEP);
  refuse(text, DEEP, "deeply");
  for (int i = 0; i < DEEP; i += 5) memcpy(text + i, "{\"a\":", 5);
  refuse(text, DEEP, "deeply");
  memset(text, '[', 60);
  memset(text + 60, ']', 60);
  dit_error error;
  json_value *v = parse(text, 120, &error);
  CHECK(v != NULL, "60 deep: %s", error.message);
  json_free(v);
  free(text);
}

static void test_many(void) {
  enum { VALUES = (1 << 18) + 1 };
  char *text = (char *)malloc(2 * VALUES);
  for (int i = 0; i < VALUES; i++) memcpy(text + 2 * i, "0,", 2);
  memcpy(text, "[ ", 2);
  refuse(text, 2 * VALUES, "262144");
  free(text);
}

/* Every beginning of a text is refused, and no changed byte does harm. */
static void test_damage(void) {
  static const char text[] = "{\"a\\u00e9\":[-1.5e2,true,false,null,\"\303\251\\n\"],\"b\":{\"c\":\"\\ud83d\\ude00\"}}";
  dit_error error;
  for (size_t i = 0; i < sizeof text - 1; i++) {
    json_value *v = parse(text, i, &error);
    CHECK(!v && error.message[0], "the first %zu bytes are accepted", i);
    json_free(v);
  }
  char changed[sizeof text];
  for (size_t i = 0; i < sizeof text - 1; i++) {
    for (int c = 0; c < 256; c++) {
      memcpy(changed, text, sizeof text);
      changed[i] = (char)c;
      json_value *v = parse(changed, sizeof text - 1, &error);
      if (!v && !error.message[0]) CHECK(0, "byte %zu = %d is refused without a message", i, c);
      json_free(v);
    }
  }
}

int main(void) {
  test_values();
  test_strings();
  test_integers();
  test_refused();
  test_depth();
  test_many();
  test_damage();
  return test_end("json");
}
