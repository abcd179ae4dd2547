#include "weights/convert/read/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/little_endian.h"
#include "weights/convert/read/text.h"

/* What one pickle may hold. A training checkpoint of DiT-XL/2 has some 30,000 values. The limits bound the memory that a
 * hostile pickle takes, at most 45 MB, which grows only with the number of opcodes, as none makes more than one value. */
enum { VALUES = 1 << 18, REFERENCES = 1 << 19, STACK = 1 << 19, MEMO = 1 << 19, NESTING = 1000, BLOCK = 1024 };

typedef struct value_block {
  struct value_block *previous;
  size_t used;
  pickle_value values[BLOCK];
} value_block;

struct pickle {
  value_block *blocks; /* the newest first; the others are full */
  size_t values, references;
  const pickle_value *top;
};

typedef struct value_list {
  pickle_value **items;
  size_t count, room;
} value_list;

typedef struct machine {
  const uint8_t *bytes;
  size_t size, at;
  pickle *owner;
  value_list stack, memo;
  size_t marks[NESTING], mark_count; /* heights of the stack */
  const pickle_global *allowed;
  const char *what;
  dit_error *error;
  dit_status status;
} machine;

enum opcode {
  OP_MARK = '(',
  OP_EMPTY_TUPLE = ')',
  OP_STOP = '.',
  OP_POP = '0',
  OP_POP_MARK = '1',
  OP_BINBYTES = 'B',
  OP_SHORT_BINBYTES = 'C',
  OP_BINFLOAT = 'G',
  OP_BININT = 'J',
  OP_BININT1 = 'K',
  OP_BININT2 = 'M',
  OP_NONE = 'N',
  OP_BINPERSID = 'Q',
  OP_REDUCE = 'R',
  OP_BINUNICODE = 'X',
  OP_EMPTY_LIST = ']',
  OP_APPEND = 'a',
  OP_BUILD = 'b',
  OP_GLOBAL = 'c',
  OP_APPENDS = 'e',
  OP_BINGET = 'h',
  OP_LONG_BINGET = 'j',
  OP_BINPUT = 'q',
  OP_LONG_BINPUT = 'r',
  OP_SETITEM = 's',
  OP_TUPLE = 't',
  OP_SETITEMS = 'u',
  OP_EMPTY_DICT = '}',
  OP_PROTO = 0x80,
  OP_NEWOBJ = 0x81,
  OP_TUPLE1 = 0x85,
  OP_TUPLE2 = 0x86,
  OP_TUPLE3 = 0x87,
  OP_NEWTRUE = 0x88,
  OP_NEWFALSE = 0x89,
  OP_LONG1 = 0x8a,
  OP_LONG4 = 0x8b,
  OP_SHORT_BINUNICODE = 0x8c,
  OP_BINUNICODE8 = 0x8d,
  OP_BINBYTES8 = 0x8e,
  OP_EMPTY_SET = 0x8f,
  OP_ADDITEMS = 0x90,
  OP_FROZENSET = 0x91,
  OP_STACK_GLOBAL = 0x93,
  OP_MEMOIZE = 0x94,
  OP_FRAME = 0x95,
  OP_BYTEARRAY8 = 0x96
};

/* These return 0, which means failure for the functions below. */
static int fail(machine *m, const char *sentence) {
  m->status =
      dit__fail(m->error, DIT_ERROR_FORMAT, "%s: the pickle is damaged at byte %zu: %s", m->what, m->at, sentence);
  return 0;
}

static int fail_memory(machine *m) {
  m->status = dit__fail(m->error, DIT_ERROR_MEMORY, "%s: out of memory", m->what);
  return 0;
}

static int fail_limit(machine *m, const char *of_what) {
  m->status = dit__fail(m->error, DIT_ERROR_UNSUPPORTED,
                        "%s: the pickle has too many %s; save a state dict of tensors alone", m->what, of_what);
  return 0;
}

static int fail_name(machine *m, const char *module, size_t module_length, const char *name, size_t length) {
  char a[TEXT_SHOWN], b[TEXT_SHOWN];
  m->status =
      dit__fail(m->error, DIT_ERROR_UNSUPPORTED,
                "%s: the checkpoint wants to call %s.%s; only tensors and plain values are read, and nothing was "
                "run. If you trust it, save its state_dict() alone with PyTorch",
                m->what, text_shown(a, module, module_length), text_shown(b, name, length));
  return 0;
}

/* ---- Bytes ---- */

static const uint8_t *take(machine *m, uint64_t length) {
  if (length > m->size - m->at) return fail(m, "it is cut off"), NULL;
  const uint8_t *p = m->bytes + m->at;
  m->at += (size_t)length;
  return p;
}

/* Takes an unsigned little-endian number of 1, 2, 4 or 8 bytes. */
static int take_number(machine *m, int bytes, uint64_t *value) {
  const uint8_t *p = take(m, (uint64_t)bytes);
  if (!p) return 0;
  *value = 0;
  for (int i = bytes - 1; i >= 0; i--) *value = *value << 8 | p[i];
  return 1;
}

/* ---- Values, the stack and the memo ---- */

static int grow(machine *m, value_list *list, size_t count) {
  if (count <= list->room) return 1;
  size_t room = list->room ? list->room : 64;
  while (room < count) room *= 2;
  pickle_value **items = (pickle_value **)realloc((void *)list->items, room * sizeof *items);
  if (!items) return fail_memory(m);
  memset((void *)(items + list->room), 0, (room - list->room) * sizeof *items);
  list->items = items;
  list->room = room;
  return 1;
}

static pickle_value *make(machine *m, pickle_kind kind) {
  pickle *p = m->owner;
  if (++p->values > VALUES) return fail_limit(m, "values"), NULL;
  if (!p->blocks || p->blocks->used == BLOCK) {
    value_block *block = (value_block *)calloc(1, sizeof *block);
    if (!block) return fail_memory(m), NULL;
    block->previous = p->blocks;
    p->blocks = block;
  }
  pickle_value *v = &p->blocks->values[p->blocks->used++];
  v->kind = kind;
  return v;
}

static int push(machine *m, pickle_value *v) {
  if (!v) return 0;
  if (m->stack.count == STACK) return fail_limit(m, "values on its stack");
  if (!grow(m, &m->stack, m->stack.count + 1)) return 0;
  m->stack.items[m->stack.count++] = v;
  return 1;
}

static pickle_value *push_new(machine *m, pickle_kind kind) {
  pickle_value *v = make(m, kind);
  return push(m, v) ? v : NULL;
}

/* Returns the number of values above the last mark of the stack. */
static size_t height(const machine *m) { return m->stack.count - (m->mark_count ? m->marks[m->mark_count - 1] : 0); }

static pickle_value *pop(machine *m) {
  if (height(m) == 0) return fail(m, "it takes a value from an empty stack"), NULL;
  return m->stack.items[--m->stack.count]; /* NOLINT(clang-analyzer-core.NullDereference): height() saw values */
}

static pickle_value *top(machine *m) {
  if (height(m) == 0) return fail(m, "it uses a value of an empty stack"), NULL;
  return m->stack.items[m->stack.count - 1]; /* NOLINT(clang-analyzer-core.NullDereference): as above */
}

/* Removes the last mark and all values above it, which stay readable at *items until the next push. */
static int pop_mark(machine *m, pickle_value ***items, size_t *count) {
  if (m->mark_count == 0) return fail(m, "it takes a mark that was never set");
  *count = height(m);
  m->stack.count -= *count;
  *items = m->stack.items ? m->stack.items + m->stack.count : NULL;
  m->mark_count--;
  return 1;
}

static int put_memo(machine *m, uint64_t index) {
  pickle_value *v = top(m);
  if (!v) return 0;
  if (index >= MEMO) return fail_limit(m, "memorized values");
  if (!grow(m, &m->memo, (size_t)index + 1)) return 0;
  if (index >= m->memo.count) m->memo.count = (size_t)index + 1;
  m->memo.items[index] = v;
  return 1;
}

static int get_memo(machine *m, uint64_t index) {
  if (index >= m->memo.count || !m->memo.items[index])
    return fail(m, "it refers to a memorized value that is not there");
  return push(m, m->memo.items[index]);
}

/* ---- Containers ---- */

static int append(machine *m, pickle_value *to, pickle_value *const *items, size_t count) {
  if (count == 0) return 1;
  if (count > REFERENCES - m->owner->references) return fail_limit(m, "values in its lists");
  m->owner->references += count;
  if (count > to->room - to->count) {
    size_t room = to->room, need = to->count + count;
    if (room == 0) room = need; /* most are filled at once */
    while (room < need) room *= 2;
    pickle_value **grown = (pickle_value **)realloc((void *)to->of.items, room * sizeof *grown);
    if (!grown) return fail_memory(m);
    to->of.items = grown;
    to->room = (uint32_t)room;
  }
  memcpy((void *)(to->of.items + to->count), (const void *)items, count * sizeof *items);
  to->count += (uint32_t)count;
  return 1;
}

static int make_tuple(machine *m, pickle_value *const *items, size_t count) {
  pickle_value *v = make(m, PICKLE_TUPLE);
  return v && append(m, v, items, count) && push(m, v);
}

/* Makes a tuple of the `count` values on top of the stack. */
static int make_short_tuple(machine *m, size_t count) {
  if (height(m) < count) return fail(m, "it takes a value from an empty stack");
  m->stack.count -= count;
  return make_tuple(m, m->stack.items + m->stack.count, count);
}

static int marked_tuple(machine *m) {
  pickle_value **items;
  size_t count;
  return pop_mark(m, &items, &count) && make_tuple(m, items, count);
}

static int frozen_set(machine *m) {
  pickle_value **items, *v;
  size_t count;
  return pop_mark(m, &items, &count) && (v = make(m, PICKLE_LIST)) && append(m, v, items, count) && push(m, v);
}

/* Adds `items` to the list or dict below them on the stack. */
static int add_items(machine *m, pickle_kind kind, pickle_value *const *items, size_t count) {
  pickle_value *to = top(m);
  if (!to) return 0;
  if (to->kind != kind)
    return fail(m, kind == PICKLE_LIST ? "it appends to a value that is not a list"
                                       : "it sets items of a value that is not a dict");
  if (kind == PICKLE_DICT && count % 2) return fail(m, "a key has no value");
  return append(m, to, items, count);
}

static int add_marked(machine *m, pickle_kind kind) {
  pickle_value **items;
  size_t count;
  return pop_mark(m, &items, &count) && add_items(m, kind, items, count);
}

static int add_short(machine *m, pickle_kind kind, size_t count) {
  if (height(m) < count) return fail(m, "it takes a value from an empty stack");
  m->stack.count -= count;
  return add_items(m, kind, m->stack.items + m->stack.count, count);
}

/* ---- Plain values ---- */

static int push_integer(machine *m, pickle_kind kind, int64_t value) {
  pickle_value *v = push_new(m, kind);
  if (v) v->of.integer = value;
  return v != NULL;
}

static int push_number(machine *m, int bytes) {
  uint64_t value;
  if (!take_number(m, bytes, &value)) return 0;
  return push_integer(m, PICKLE_INTEGER,
                      bytes == 4 && value > INT32_MAX ? (int64_t)value - 0x100000000 : (int64_t)value);
}

/* Takes a number in two's complement, after its length. */
static int push_long(machine *m, int length_bytes) {
  uint64_t length, value = 0;
  if (!take_number(m, length_bytes, &length)) return 0;
  const uint8_t *p = take(m, length);
  if (!p) return 0;
  if (length > 8) return push_new(m, PICKLE_OTHER) != NULL;
  if (length && p[length - 1] & 0x80) value = UINT64_MAX;
  for (uint64_t i = length; i-- > 0;) value = value << 8 | p[i];
  int64_t number;
  memcpy(&number, &value, sizeof number);
  return push_integer(m, PICKLE_INTEGER, number);
}

/* Takes an IEEE double, the only type that is big-endian in a pickle. */
static int push_real(machine *m) {
  const uint8_t *p = take(m, 8);
  pickle_value *v = p ? push_new(m, PICKLE_REAL) : NULL;
  if (!v) return 0;
  uint64_t bits = 0;
  for (int i = 0; i < 8; i++) bits = bits << 8 | p[i];
  memcpy(&v->of.real, &bits, sizeof bits);
  return 1;
}

static int push_text(machine *m, pickle_kind kind, int length_bytes) {
  uint64_t length;
  if (!take_number(m, length_bytes, &length)) return 0;
  const uint8_t *p = take(m, length);
  if (!p) return 0;
  if (length > UINT32_MAX) return fail(m, "a text of more than 4 GB");
  pickle_value *v = push_new(m, kind);
  if (!v) return 0;
  if (kind == PICKLE_TEXT) {
    v->of.text = (const char *)p;
    v->count = (uint32_t)length;
  }
  return 1;
}

/* ---- Names and calls ---- */

static int equals(const char *text, const char *p, size_t length) {
  return strlen(text) == length && memcmp(text, p, length) == 0;
}

static int push_name(machine *m, const char *module, size_t module_length, const char *name, size_t length) {
  const pickle_global *g = m->allowed;
  while (g->module && !(equals(g->module, module, module_length) && equals(g->name, name, length))) g++;
  if (!g->module) return fail_name(m, module, module_length, name, length);
  pickle_value *v = push_new(m, PICKLE_NAME);
  if (v) v->global = g;
  return v != NULL;
}

/* Takes a line, and returns it without its end. */
static const char *take_line(machine *m, size_t *length) {
  const char *p = (const char *)m->bytes + m->at, *end = (const char *)memchr(p, '\n', m->size - m->at);
  if (!end) return fail(m, "a name without end"), NULL;
  *length = (size_t)(end - p);
  m->at += *length + 1;
  return p;
}

static int global(machine *m) {
  size_t module_length = 0, length = 0;
  const char *module = take_line(m, &module_length);
  const char *name = module ? take_line(m, &length) : NULL;
  return name && push_name(m, module, module_length, name, length);
}

static int stack_global(machine *m) {
  const pickle_value *name = pop(m), *module = name ? pop(m) : NULL;
  if (!module) return 0;
  if (name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT) return fail(m, "a name that is not text");
  return push_name(m, module->of.text, module->count, name->of.text, name->count);
}

/* REDUCE and NEWOBJ: a name and a tuple of arguments become a record of the call. */
static int call(machine *m) {
  const pickle_value *arguments = pop(m), *name = arguments ? pop(m) : NULL;
  if (!name) return 0;
  if (arguments->kind != PICKLE_TUPLE) return fail(m, "the arguments of a call are not a tuple");
  if (name->kind != PICKLE_NAME) return fail(m, "it calls a value that is not a name");
  const pickle_global *g = name->global;
  if (g->use == PICKLE_CONSTANT) return fail_name(m, g->module, strlen(g->module), g->name, strlen(g->name));
  if (g->use == PICKLE_MAPPING && arguments->count) return fail(m, "a dict made from arguments");
  pickle_value *v = make(m, g->use == PICKLE_MAPPING ? PICKLE_DICT : PICKLE_CALL);
  if (!v || !append(m, v, arguments->of.items, arguments->count)) return 0;
  v->global = g;
  return push(m, v);
}

/* Gives the object below a state, such as a Namespace its members or an OrderedDict its _metadata. States are dropped.
 * (A tensor's state would replace its contents, and is refused, as is that of an unnamed dict.) */
static int build(machine *m) {
  const pickle_value *state = pop(m), *object = state ? top(m) : NULL;
  if (!object) return 0;
  const pickle_global *g = object->kind == PICKLE_CALL || object->kind == PICKLE_DICT ? object->global : NULL;
  if (!g || (g->use != PICKLE_OBJECT && g->use != PICKLE_MAPPING))
    return fail(m, "it gives a state to a value that takes none");
  return 1;
}

static int persistent(machine *m) {
  pickle_value *identifier = pop(m), *v = identifier ? make(m, PICKLE_PERSISTENT) : NULL;
  return v && append(m, v, &identifier, 1) && push(m, v);
}

/* ---- The machine ---- */

static int set_mark(machine *m) {
  if (m->mark_count == NESTING) return fail_limit(m, "nested values");
  m->marks[m->mark_count++] = m->stack.count;
  return 1;
}

/* As in Python, a mark on top counts as a value here. */
static int discard(machine *m) {
  if (height(m) == 0 && m->mark_count) return m->mark_count--, 1;
  return pop(m) != NULL;
}

static int discard_marked(machine *m) {
  pickle_value **items;
  size_t count;
  return pop_mark(m, &items, &count);
}

static int memo(machine *m, int bytes, int (*use)(machine *, uint64_t)) {
  uint64_t index;
  return take_number(m, bytes, &index) && use(m, index);
}

static int frame(machine *m) {
  uint64_t length;
  if (!take_number(m, 8, &length)) return 0;
  return length <= m->size - m->at || fail(m, "a frame is cut off");
}

static int fail_opcode(machine *m, unsigned opcode) {
  m->status = dit__fail(m->error, DIT_ERROR_UNSUPPORTED,
                        "%s: the pickle uses opcode 0x%02x at byte %zu, which tensors and plain values do not need",
                        m->what, opcode, m->at - 1);
  return 0;
}

static int step(machine *m, unsigned opcode) {
  switch (opcode) {
    case OP_FRAME: return frame(m);
    case OP_MARK: return set_mark(m);
    case OP_POP: return discard(m);
    case OP_POP_MARK: return discard_marked(m);
    case OP_BINPUT: return memo(m, 1, put_memo);
    case OP_LONG_BINPUT: return memo(m, 4, put_memo);
    case OP_MEMOIZE: return put_memo(m, m->memo.count);
    case OP_BINGET: return memo(m, 1, get_memo);
    case OP_LONG_BINGET: return memo(m, 4, get_memo);

    case OP_NONE: return push_new(m, PICKLE_NONE) != NULL;
    case OP_NEWTRUE: return push_integer(m, PICKLE_BOOL, 1);
    case OP_NEWFALSE: return push_integer(m, PICKLE_BOOL, 0);
    case OP_BININT: return push_number(m, 4);
    case OP_BININT1: return push_number(m, 1);
    case OP_BININT2: return push_number(m, 2);
    case OP_LONG1: return push_long(m, 1);
    case OP_LONG4: return push_long(m, 4);
    case OP_BINFLOAT: return push_real(m);
    case OP_SHORT_BINUNICODE: return push_text(m, PICKLE_TEXT, 1);
    case OP_BINUNICODE: return push_text(m, PICKLE_TEXT, 4);
    case OP_BINUNICODE8: return push_text(m, PICKLE_TEXT, 8);
    case OP_SHORT_BINBYTES: return push_text(m, PICKLE_OTHER, 1);
    case OP_BINBYTES: return push_text(m, PICKLE_OTHER, 4);
    case OP_BINBYTES8:
    case OP_BYTEARRAY8: return push_text(m, PICKLE_OTHER, 8);

    case OP_EMPTY_TUPLE: return push_new(m, PICKLE_TUPLE) != NULL;
    case OP_TUPLE1: return make_short_tuple(m, 1);
    case OP_TUPLE2: return make_short_tuple(m, 2);
    case OP_TUPLE3: return make_short_tuple(m, 3);
    case OP_TUPLE: return marked_tuple(m);
    case OP_EMPTY_SET:
    case OP_EMPTY_LIST: return push_new(m, PICKLE_LIST) != NULL;
    case OP_FROZENSET: return frozen_set(m);
    case OP_APPEND: return add_short(m, PICKLE_LIST, 1);
    case OP_ADDITEMS:
    case OP_APPENDS: return add_marked(m, PICKLE_LIST);
    case OP_EMPTY_DICT: return push_new(m, PICKLE_DICT) != NULL;
    case OP_SETITEM: return add_short(m, PICKLE_DICT, 2);
    case OP_SETITEMS: return add_marked(m, PICKLE_DICT);

    case OP_GLOBAL: return global(m);
    case OP_STACK_GLOBAL: return stack_global(m);
    case OP_REDUCE:
    case OP_NEWOBJ: return call(m);
    case OP_BUILD: return build(m);
    case OP_BINPERSID: return persistent(m);
    default: return fail_opcode(m, opcode);
  }
}

static int run(machine *m) {
  if (m->size < 2 || m->bytes[0] != OP_PROTO || m->bytes[1] < 2 || m->bytes[1] > 5) {
    return fail(m, "it does not begin as protocol 2, 3, 4 or 5");
  }
  m->at = 2;
  for (;;) {
    const uint8_t *opcode = take(m, 1);
    if (!opcode) return 0;
    if (*opcode == OP_STOP) break;
    if (!step(m, *opcode)) return 0;
  }
  m->owner->top = pop(m);
  if (!m->owner->top) return 0;
  if (m->stack.count || m->mark_count) return fail(m, "values are left over at its end");
  return 1;
}

dit_status pickle_open(const uint8_t *bytes, size_t size, size_t *used, const pickle_global *allowed, const char *what,
                       pickle **out, dit_error *error) {
  *out = NULL;
  machine *m = (machine *)calloc(1, sizeof *m);
  pickle *p = (pickle *)calloc(1, sizeof *p);
  if (!m || !p) {
    free(m);
    free(p);
    return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", what);
  }
  m->bytes = bytes;
  m->size = size;
  m->owner = p;
  m->allowed = allowed;
  m->what = what;
  m->error = error;
  if (run(m) && (used || m->at == size || fail(m, "something follows its end")))
    *out = p;
  else
    pickle_close(p);
  dit_status status = m->status;
  if (used) *used = m->at;
  free((void *)m->stack.items);
  free((void *)m->memo.items);
  free(m);
  return status;
}

const pickle_value *pickle_top(const pickle *p) { return p->top; }

const pickle_value *pickle_next(const pickle *p, size_t *cursor) {
  const value_block *block = p->blocks;
  size_t index = (*cursor)++;
  for (; block && index >= block->used; block = block->previous) index -= block->used;
  return block ? &block->values[index] : NULL;
}

void pickle_close(pickle *p) {
  value_block *block = p ? p->blocks : NULL;
  while (block) {
    value_block *previous = block->previous;
    for (size_t i = 0; i < block->used; i++) {
      if (block->values[i].room) free((void *)block->values[i].of.items);
    }
    free(block);
    block = previous;
  }
  free(p);
}

int pickle_is_text(const pickle_value *v, const char *text) {
  return v->kind == PICKLE_TEXT && equals(text, v->of.text, v->count);
}

const pickle_value *pickle_member(const pickle_value *dict, const char *key) {
  if (dict->kind != PICKLE_DICT) return NULL;
  for (size_t i = dict->count; i >= 2; i -= 2) {
    if (pickle_is_text(dict->of.items[i - 2], key)) return dict->of.items[i - 1];
  }
  return NULL;
}
