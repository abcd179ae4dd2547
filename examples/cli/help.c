/* --help: a screen for each topic. */
#include "help.h"

#include <stdio.h>
#include <string.h>

#include "message.h"
#include "option_table.h"

enum { TEXT_COLUMN = 28, SCREEN_COLUMNS = 80 };

static const char *const topic_names[TOPICS] = {"basics", "sampling", "editing", "running"};
static const char *const topic_notes[TOPICS] = {
    "A pattern writes one file per picture: %i is its number, %c its class, %s its\n"
    "seed, and %% a percent sign. Names of options may be abbreviated.\n"
    "Example: dit -c potion,sword -n 8 --scale 4 -o sheet.png\n"
    "More: dit --help=sampling, --help=editing, --help=running, --help=all\n",
    "The same options make the same picture on every machine; only --compute bf16\n"
    "depends on the processor.\n",
    "Init images and masks are PNG files of the size to make. A PNG made by dit holds\n"
    "all its settings as text, so that --again can make it again, equal to the bit,\n"
    "from the same model (-m), init image (-i) and mask (--mask). If something\n"
    "differs, the exit status is 3.\n",
    "Exit status: 0 on success, 1 on failure, 2 if the command line is wrong, 3 if\n"
    "--again finds a difference, 130 after Ctrl-C.\n",
};

/* Prints text from TEXT_COLUMN, where the cursor must be, to the end of the line, and the rest on further lines. */
static void print_wrapped(const char *text) {
  const size_t room = SCREEN_COLUMNS - TEXT_COLUMN;
  while (strlen(text) > room) {
    size_t length = room;
    while (length > 1 && text[length] != ' ') length--;
    printf("%.*s\n%*s", (int)length, text, TEXT_COLUMN, "");
    text += length + 1;
  }
  printf("%s\n", text);
}

static void print_option(const option_row *row) {
  char name[64], text[MAX_ENUM_CHOICES + 128], choices[MAX_ENUM_CHOICES];
  const char letter[] = {row->letter ? '-' : ' ', row->letter ? row->letter : ' ', row->letter ? ',' : ' ', 0};
  snprintf(name, sizeof name, "%s --%s%s%s", letter, row->name, row->value ? " " : "", row->value ? row->value : "");
  snprintf(text, sizeof text, "%s%s%s", row->help, row->names ? ": " : "",
           row->names ? enum_choices(row->names, choices) : "");
  printf("  %-*s", TEXT_COLUMN - 2, name);
  if (strlen(name) >= TEXT_COLUMN - 2) printf("\n%*s", TEXT_COLUMN, "");
  print_wrapped(text);
}

static void print_topic(int topic) {
  for (int i = 0; i < OPTIONS; i++) {
    if (option_table[i].topic == topic) print_option(&option_table[i]);
  }
  printf("\n%s", topic_notes[topic]);
}

int help_print(const char *topic) {
  int all = topic && strcmp(topic, "all") == 0, known = all || !topic;
  for (int t = 0; t < TOPICS && topic; t++) known |= strcmp(topic, topic_names[t]) == 0;
  if (!known) return fail(EXIT_USAGE, "--help=%s: the topics are basics, sampling, editing, running and all", topic);
  printf("usage: dit [OPTION]...\nMakes pictures with a diffusion transformer.\n");
  for (int t = 0; t < TOPICS; t++) {
    if (!all && strcmp(topic ? topic : topic_names[0], topic_names[t]) != 0) continue;
    printf("\n%s%s", all ? topic_names[t] : "", all ? ":\n" : "");
    print_topic(t);
  }
  return EXIT_OK;
}
