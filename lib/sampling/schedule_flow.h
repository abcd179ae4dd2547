/* Schedules of a linear path, for schedule.c: see schedule.h. The sampler must be one for it. */
#ifndef DIT_SCHEDULE_FLOW_H
#define DIT_SCHEDULE_FLOW_H

#include "dit.h"
#include "lib/sampling/process.h"

dit_status dit__flow_check(int32_t steps, int32_t spacing, int32_t sampler, dit_error *error);
int32_t dit__flow_schedule(const dit__process *process, int32_t steps, int32_t sampler, int32_t capacity,
                           dit_schedule_row *rows);
double dit__flow_position(const dit__process *process, int32_t steps, int32_t sampler, int32_t row);

#endif
