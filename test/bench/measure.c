// See measure.h.

#include "measure.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/** Which bucket: the position of the highest bit, and the five bits below it. */
static size_t bucket_of(uint64_t ns) {
  if (ns < 32) return (size_t)ns;
  int high = 63 - __builtin_clzll(ns);
  return (size_t)(high - 4) * 32 + ((ns >> (high - 5)) & 31);
}

/** The middle of a bucket, nanoseconds. */
static double middle_of(size_t bucket) {
  if (bucket < 32) return (double)bucket;
  int high = (int)(bucket / 32) + 4;
  double width = (double)(1ull << (high - 5));
  return (double)(1ull << high) + ((double)(bucket % 32) + 0.5) * width;
}

void histogram_add(struct histogram *histogram, uint64_t ns) {
  histogram->count++;
  if (ns > histogram->max_ns) histogram->max_ns = ns;
  histogram->buckets[bucket_of(ns)]++;
}

double histogram_ms(const struct histogram *histogram, double q) {
  uint64_t rank = (uint64_t)(q * (double)histogram->count);
  uint64_t seen = 0;
  for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += histogram->buckets[i];
    if (seen > rank) return middle_of(i) / 1e6;
  }
  return (double)histogram->max_ns / 1e6;
}

double own_cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double cpu_seconds(int pid) {
  clockid_t clock;
  struct timespec time;
  if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}
