/* Ctrl-C and other signals that end a program: they cancel the job, and the program cleans up. */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include "dit.h"

void interrupt_install(void);

/* Sets the job that a signal cancels; NULL: none. Must be called with NULL before the job is ended. */
void interrupt_watch(dit_job *job);

/* Returns 0, or after a signal the exit status that it asks for, such as 130 after Ctrl-C. */
int interrupt_status(void);

#endif
