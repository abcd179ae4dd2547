/* The time. */
#ifndef CLI_CLOCK_H
#define CLI_CLOCK_H

double clock_seconds(void); /* since some moment */

#endif
