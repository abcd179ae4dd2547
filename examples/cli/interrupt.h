/* Ctrl-C and its relatives: the job is cancelled and the program ends in order. */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include "dit.h"

void interrupt_install(void);

/* The job that a signal cancels; NULL: none. To be called before the job is ended. */
void interrupt_watch(dit_job *job);

/* 0 while all is well, else the exit status that the signal asks for: 130 after Ctrl-C. */
int interrupt_status(void);

#endif
