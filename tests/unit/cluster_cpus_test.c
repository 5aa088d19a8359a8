/* Tests of libbackend/cluster/cpus.c, over a made-up tree of control groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cluster/cpus.h"

static char mount[] = "/tmp/cpus_test.XXXXXX";

static void put(const char *folder, const char *file, const char *text)
{
    char path[512], command[600];

    snprintf(command, sizeof command, "mkdir -p %s%s", mount, folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s%s/%s", mount, folder, file);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static int make_mount(void **state)
{
    (void)state;
    return mkdtemp(mount) == NULL;
}

static int remove_mount(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", mount);
    return system(command);
}

static void test_no_quota_is_none(void **state)
{
    (void)state;
    put("/free", "cpu.max", "max 100000\n");
    assert_int_equal(bk__cpus_quota("0::/free\n", mount), 0);
    assert_int_equal(bk__cpus_quota("0::/nowhere\n", mount), 0);
    assert_int_equal(bk__cpus_quota("", mount), 0);
    assert_int_equal(bk__cpus_quota("garbage\n::\n0:\n", mount), 0);
}

static void test_a_quota_is_rounded_up(void **state)
{
    (void)state;
    put("/a", "cpu.max", "150000 100000\n");
    assert_int_equal(bk__cpus_quota("0::/a\n", mount), 2);
    put("/b", "cpu.max", "20000 100000\n");
    assert_int_equal(bk__cpus_quota("0::/b\n", mount), 1);
}

static void test_the_least_of_all_levels_holds(void **state)
{
    (void)state;
    put("/slice", "cpu.max", "300000 100000\n");
    put("/slice/unit", "cpu.max", "max 100000\n");
    put("/slice/unit/inner", "cpu.max", "800000 100000\n");
    assert_int_equal(bk__cpus_quota("0::/slice/unit/inner\n", mount), 3);
}

static void test_a_path_of_the_host_falls_back_to_the_mount(void **state)
{
    (void)state;
    put("", "cpu.max", "400000 100000\n");
    assert_int_equal(bk__cpus_quota("0::/kubepods/pod7/abc\n", mount), 4);
    assert_int_equal(bk__cpus_quota("0::/\n", mount), 4);
    put("", "cpu.max", "max 100000\n");
}

static void test_version_1_is_understood(void **state)
{
    (void)state;
    put("/cpu/docker/x", "cpu.cfs_quota_us", "250000\n");
    put("/cpu/docker/x", "cpu.cfs_period_us", "100000\n");
    put("/cpu", "cpu.cfs_quota_us", "-1\n");
    put("/cpu", "cpu.cfs_period_us", "100000\n");
    assert_int_equal(bk__cpus_quota("5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n", mount), 3);
}

static void test_affinity_is_the_most(void **state)
{
    (void)state;
    cpu_set_t before, one;

    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(bk__cpus(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_in_range(bk__cpus(), 1, CPU_COUNT(&before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_quota_is_none),
        cmocka_unit_test(test_a_quota_is_rounded_up),
        cmocka_unit_test(test_the_least_of_all_levels_holds),
        cmocka_unit_test(test_a_path_of_the_host_falls_back_to_the_mount),
        cmocka_unit_test(test_version_1_is_understood),
        cmocka_unit_test(test_affinity_is_the_most),
    };
    return cmocka_run_group_tests(tests, make_mount, remove_mount);
}
