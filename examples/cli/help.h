/* --help: a screen for each topic. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

/* Prints a topic's help, or all topics ("all"), or the basics (NULL) to the standard output. EXIT_OK, or EXIT_USAGE
 * after a message. */
int help_print(const char *topic);

#endif
