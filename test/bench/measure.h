// What the load generator measures with: a clock, delays in a histogram, and the CPU time of processes.
//
// A histogram has 32 buckets for each power of two of nanoseconds, so a quantile is right to some 3 %; adding to it
// costs a few instructions, which matters at hundreds of thousands of delays a second.

#ifndef MEASURE_H
#define MEASURE_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS (64 * 32)

struct histogram {
  uint64_t count;
  uint64_t max_ns;
  uint64_t buckets[HISTOGRAM_BUCKETS];
};

/** Monotonic time, nanoseconds. */
uint64_t now_ns(void);

void histogram_add(struct histogram *histogram, uint64_t ns);

/** The value below which a share `q` (0 to 1) of the values lies, milliseconds; 0 of none. */
double histogram_ms(const struct histogram *histogram, double q);

/** User and system time that this process has taken, seconds. */
double own_cpu_seconds(void);

/** User and system time that a process and all its threads have taken, to the nanosecond: clock_getcpuclockid(3). Seconds; 0 of none. */
double cpu_seconds(int pid);

#endif
