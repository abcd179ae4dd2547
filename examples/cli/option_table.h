/* The options, which the parser and the help share. */
#ifndef CLI_OPTION_TABLE_H
#define CLI_OPTION_TABLE_H

enum {
  OPTION_MODEL,
  OPTION_CLASSES,
  OPTION_COUNT,
  OPTION_SEED,
  OPTION_MIX,
  OPTION_WIDTH,
  OPTION_HEIGHT,
  OPTION_OUTPUT,
  OPTION_SCALE,
  OPTION_AGAIN,
  OPTION_QUIET,
  OPTION_HELP,
  OPTION_VERSION,
  OPTION_INFO,
  OPTION_LIST,
  OPTION_STEPS,
  OPTION_SAMPLER,
  OPTION_SPACING,
  OPTION_ETA,
  OPTION_GENERATOR,
  OPTION_REFERENCE,
  OPTION_DIFFUSERS,
  OPTION_GUIDANCE,
  OPTION_GUIDANCE_CHANNELS,
  OPTION_GUIDANCE_FROM,
  OPTION_GUIDANCE_TO,
  OPTION_REUSE,
  OPTION_FAST,
  OPTION_COMPUTE,
  OPTION_START,
  OPTION_STRENGTH,
  OPTION_MASK,
  OPTION_SHOW,
  OPTION_PREVIEW,
  OPTION_JSON,
  OPTION_MEMORY,
  OPTION_MEMORY_LIMIT,
  OPTION_PROFILE,
  OPTION_THREADS,
  OPTION_ISA,
  OPTION_COUNT_ALL
};

enum { TOPIC_BASICS, TOPIC_SAMPLING, TOPIC_EDITING, TOPIC_RUNNING, TOPIC_COUNT };

typedef struct option_row {
  const char *letter; /* "" if there is none */
  const char *name;
  const char *value; /* what the help calls it; NULL: the option takes none */
  int topic;
  int recorded; /* 1: a PNG's text says it, so it cannot be given with --again */
  const char *help;
} option_row;

extern const option_row option_table[OPTION_COUNT_ALL];

#endif
