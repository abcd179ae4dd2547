/* The table of options, which the parser reads and the help prints. */
#ifndef CLI_OPTION_TABLE_H
#define CLI_OPTION_TABLE_H

#include "enums.h"

/* In the order in which the help prints them. */
enum {
  OPTION_MODEL,
  OPTION_CLASSES,
  OPTION_COUNT,
  OPTION_SEED,
  OPTION_WIDTH,
  OPTION_HEIGHT,
  OPTION_OUTPUT,
  OPTION_SCALE,
  OPTION_QUIET,
  OPTION_HELP,
  OPTION_VERSION,
  OPTION_INFO,
  OPTION_LIST,
  OPTION_STEPS,
  OPTION_SAMPLER,
  OPTION_TIMESTEP_SPACING,
  OPTION_TIMESTEP_SHIFT,
  OPTION_ETA,
  OPTION_GENERATOR,
  OPTION_REFERENCE,
  OPTION_DIFFUSERS,
  OPTION_GUIDANCE_SCALE,
  OPTION_GUIDANCE_CHANNELS,
  OPTION_GUIDANCE_START,
  OPTION_GUIDANCE_END,
  OPTION_CACHE_INTERVAL,
  OPTION_FAST,
  OPTION_COMPUTE,
  OPTION_INIT_IMAGE,
  OPTION_STRENGTH,
  OPTION_MASK,
  OPTION_MIX,
  OPTION_AGAIN,
  OPTION_SHOW,
  OPTION_PREVIEW,
  OPTION_JSON,
  OPTION_MEMORY,
  OPTION_MEMORY_LIMIT,
  OPTION_LONG,
  OPTION_PROFILE,
  OPTION_THREADS,
  OPTION_ISA,
  OPTIONS /* how many there are */
};

enum { TOPIC_BASICS, TOPIC_SAMPLING, TOPIC_EDITING, TOPIC_RUNNING, TOPICS };

typedef struct option_row {
  char letter; /* 0: there is no short form */
  const char *name;
  const char *value; /* what the help calls the value; NULL: the option takes none */
  enum_names *names; /* if the value is one of an enum; else NULL */
  int topic;
  int recorded; /* 1: the text of a PNG has this setting, so --again excludes the option */
  const char *help;
} option_row;

extern const option_row option_table[OPTIONS];

#endif
