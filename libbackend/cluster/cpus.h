/*
 * cpus.h: how many processors this process may use.
 */
#ifndef BK_CLUSTER_CPUS_H
#define BK_CLUSTER_CPUS_H

/* Those of its affinity, or fewer where a control group has a quota: a container that may use one
 * and a half of a host's 64 gets 2. At least 1. */
unsigned bk__cpus(void);

/* The quota alone, rounded up: @p cgroups is the text of /proc/self/cgroup, @p mount where control
 * groups are mounted. 0: there is none. */
unsigned bk__cpus_quota(const char *cgroups, const char *mount);

#endif
