/* The names of enum values. The library keeps them (dit.h, "Names"); the program has no list of its own. */
#ifndef CLI_ENUMS_H
#define CLI_ENUMS_H

#include <stddef.h>
#include <stdint.h>

/* Such as dit_sampler_name: returns the name of a value, or NULL if there is no such value. */
typedef const char *enum_names(int32_t value);

enum { MAX_ENUM_CHOICES = 256 }; /* bytes that hold the list of every enum's names */

/* Returns the value from 1 upwards that has this name, or 0 if there is none. */
int32_t enum_find(enum_names *names, const char *name);

/* Returns the name of a value, or "unknown". */
const char *enum_name(enum_names *names, int32_t value);

/* Writes all names to `text`, such as "ddpm, ddim or dpm++", and returns it. */
const char *enum_choices(enum_names *names, char text[MAX_ENUM_CHOICES]);

#endif
