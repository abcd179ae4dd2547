/* What the caller of a conversion asks for. */
#ifndef DIT_CONVERT_OPTIONS_TYPE_H
#define DIT_CONVERT_OPTIONS_TYPE_H

#include "weights/convert/shape/infer.h"
#include "weights/convert/shape/scheduler.h"

/* Whether the last row of the label table stands for no class, which guidance needs. */
typedef enum null_class_option {
  NULL_CLASS_INFERRED = 0, /* yes, unless nothing in the file tells */
  NULL_CLASS_LAST_ROW = 1,
  NULL_CLASS_ABSENT = 2 /* every row is a class */
} null_class_option;

enum { FORWARD_OFFICIAL = 1, FORWARD_DIFFUSERS = 2 };

/* 0 or NULL in any member asks for the default. */
typedef struct convert_options {
  int type; /* DIT_TYPE_*; default: F16, or of a model file what it has */
  const char *name, *license;
  int steps;    /* default 250, or 50 with a schedule */
  int sampler;  /* DIT_SAMPLER_*; default: the schedule's, or DDPM */
  int spacing;  /* DIT_SPACING_*; default: the schedule's; else for DDIM its stride, if one makes `steps`; else EVEN */
  double shift; /* of timesteps, with flow matching; default: the family's, or 1 */
  double guidance;       /* below 0: the default, which is 4, or 1 without a null class */
  int guidance_channels; /* -1: all; default: 3 of 4, all of fewer, all of a pipeline's */
  int forward;           /* FORWARD_*; default: official */
  null_class_option null_class;
  const char *const *labels; /* one for each class */
  size_t label_count;
  int no_labels;            /* 1: no names, not even ImageNet's for 1000 classes */
  const schedule *schedule; /* of a pipeline */
  int pipeline;             /* 1: the transformer comes from a pipeline of diffusers */
  infer_hints hints;
} convert_options;

#endif
