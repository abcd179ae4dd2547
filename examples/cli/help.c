/* --help: a screen for each topic. */
#include "help.h"

#include <stdio.h>
#include <string.h>

#include "message.h"
#include "option_table.h"

static const char *const topic_names[TOPIC_COUNT] = {"basics", "sampling", "editing", "running"};
static const char *const topic_notes[TOPIC_COUNT] = {
    "A pattern writes one file for each picture: %i number, %c class, %s seed, %% %.\n"
    "Example: dit -c potion,sword -n 8 --scale 4 -o sheet.png\n"
    "More: dit --help=sampling, --help=editing, --help=running, --help=all\n",
    "The same options make the same picture on every machine. Only --compute f32 and\n"
    "int8 differ from each other.\n",
    "Start pictures and masks are PNG files of the size to make. The text in a PNG\n"
    "says all that it was made with, so that --again can make it again to the bit,\n"
    "with the model (-m) and the pictures (-i, --mask) it was made with; if something\n"
    "differs, the exit status is 3.\n",
    "Exit status: 0, 1 after a failure, 2 after a mistake on the command line, 3 if\n"
    "--again finds a difference, 130 after Ctrl-C.\n",
};

static void print_topic(int topic) {
  for (int i = 0; i < OPTION_COUNT_ALL; i++) {
    const option_row *row = &option_table[i];
    char name[64];
    if (row->topic != topic) continue;
    snprintf(name, sizeof name, "%s%s%s--%s%s%s", *row->letter ? "-" : "    ", row->letter, *row->letter ? ", " : "",
             row->name, row->value ? " " : "", row->value ? row->value : "");
    printf("  %-25s %s\n", name, row->help);
  }
  printf("\n%s", topic_notes[topic]);
}

int help_print(const char *topic) {
  int all = topic && strcmp(topic, "all") == 0, known = all || !topic;
  for (int t = 0; t < TOPIC_COUNT && topic; t++) known |= strcmp(topic, topic_names[t]) == 0;
  if (!known) return fail(EXIT_USAGE, "--help=%s: the topics are basics, sampling, editing, running and all", topic);
  printf("usage: dit [OPTION]...\nMakes pictures with a diffusion transformer.\n");
  for (int t = 0; t < TOPIC_COUNT; t++) {
    if (!all && strcmp(topic ? topic : topic_names[0], topic_names[t]) != 0) continue;
    printf("\n%s%s", all ? topic_names[t] : "", all ? ":\n" : "");
    print_topic(t);
  }
  return EXIT_OK;
}
