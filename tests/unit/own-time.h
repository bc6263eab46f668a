// The time of a test program is its own: its monotonic clock can be set ahead, and a thread's waits can be made to end by
// an event alone. So nothing has to be slept through, and what should be woken shows whether it is. By what the program
// defines itself in place of the C library's: everything that is linked into it sees that.
#ifndef TEST_OWN_TIME_H
#define TEST_OWN_TIME_H

#include <pthread.h>
#include <stdint.h>

void own_time_advance(int64_t ms); // of all threads, at once
// From the next wait of that thread on poll() does not end because its time is over.
void own_time_only_events(pthread_t thread);
void own_time_as_ever(void); // what waits already still waits for an event
int own_time_waits(void);    // how many waits were without end

#endif
