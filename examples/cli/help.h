/* --help: a screen for each topic. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

/* Prints the help of a topic, of all topics ("all"), or of the basics (NULL) on the standard output. Returns EXIT_OK, or
 * EXIT_USAGE after a message. */
int help_print(const char *topic);

#endif
