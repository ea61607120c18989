/* SPDX-License-Identifier: MIT */
/*
 * Everything that is read of the environment before the program begins: NUMATALLY_CONF,
 * the file of NUMATALLY_CONF_FILE, NUMATALLY_RUN, NUMATALLY_TOPOLOGY, and policies and node
 * lists in calls.
 *
 * An input holds these, one after the other, each ended by a zero byte. What comes out must
 * be within the bounds that conf.h and topo.h promise, must be the same when it is read once
 * more, and what was written down of it (a policy's name) must be read as the same.
 */
#include "numa/policy.h"
#include "numa/topo.h"
#include "src/base/conf.c" /* its state is to be forgotten between two inputs */
#include "tests/fuzz/warn.h"

static void check_path(const char *path)
{
    FUZZ_CHECK(memchr(path, '\0', NT_CONF_PATH_MAX) != NULL);
}

static void check_conf(const struct nt_conf *c)
{
    check_path(c->report);
    check_path(c->timeline);
    check_path(c->live);
    check_path(c->run_dir);
    FUZZ_CHECK(memchr(c->policy, '\0', NT_CONF_POLICY_MAX) != NULL);
    FUZZ_CHECK(c->report[0] == '\0' || c->report[0] == '/' ||
               strcmp(c->report, "exit") == 0);
    FUZZ_CHECK(c->timeline_ms == 0 ||
               (c->timeline_ms >= 10 && c->timeline_ms <= NT_CONF_TIMELINE_MS_MAX));
    FUZZ_CHECK(c->return_ms <= RETURN_MS_MAX);
    FUZZ_CHECK(c->reserve.each <= NT_CONF_RESERVE_MAX && c->reserve.count <= 64);
    FUZZ_CHECK(c->reserve.each == 0 || c->reserve.count == 0);
    for (uint32_t i = 0; i < c->reserve.count; i++)
        FUZZ_CHECK(c->reserve.node[i] >= 0 && c->reserve.node[i] <= 1023 &&
                   c->reserve.bytes[i] <= NT_CONF_RESERVE_MAX);
    FUZZ_CHECK(nt__is_pow2(c->slab_bytes) && c->slab_bytes >= SLAB_BYTES_LEAST &&
               c->slab_bytes <= SLAB_BYTES_MOST);
    FUZZ_CHECK(c->sample <= NT_CONF_SAMPLE_MAX);
    FUZZ_CHECK(c->class_count <= NT_CONF_CLASSES_MAX);
    for (uint32_t i = 0; i < c->class_count; i++)
        FUZZ_CHECK(c->class_bytes[i] % 16 == 0 && c->class_bytes[i] > 0 &&
                   c->class_bytes[i] <= CLASS_BYTES_MAX &&
                   (i == 0 || c->class_bytes[i] > c->class_bytes[i - 1]));
    FUZZ_CHECK(c->mark_signal >= 0 && c->mark_signal <= SIGRTMAX);
    FUZZ_CHECK(c->report_signal >= 0 && c->report_signal <= SIGRTMAX);
    FUZZ_CHECK(c->sample_signal >= 0 && c->sample_signal <= SIGRTMAX);
    FUZZ_CHECK(c->run_pid >= 0 && (c->run_pid == 0 || c->run_dir[0] == '/'));
}

/* Behind a text's end and a table's last row is what happened to be there. */
static void tidy(struct nt_conf *c)
{
    char *const paths[] = {c->report, c->timeline, c->live, c->run_dir};

    for (size_t i = 0; i < NT_ARRAY_LEN(paths); i++)
        memset(paths[i] + strlen(paths[i]), 0, NT_CONF_PATH_MAX - strlen(paths[i]));
    memset(c->policy + strlen(c->policy), 0, NT_CONF_POLICY_MAX - strlen(c->policy));
    memset(c->class_bytes + c->class_count, 0,
           sizeof c->class_bytes - c->class_count * sizeof *c->class_bytes);
}

static void load(void)
{
    memset(&C, 0, sizeof C);
    nt__conf_load();
    check_conf(&C.conf);
    tidy(&C.conf);
}

static void set(const char *name, const char *value)
{
    if (value[0] != '\0')
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void read_settings(const char *entries, const char *file, const char *run)
{
    static struct nt_conf first;
    char path[32];
    int fd = fuzz_file(file, strlen(file), path);
    unsigned complaints;

    set("NUMATALLY_CONF", entries);
    set("NUMATALLY_CONF_FILE", path);
    set("NUMATALLY_RUN", run);
    fuzz_complaints = 0;
    load();
    complaints = fuzz_complaints;
    /* Each row complains once, and once more is complained of what is no row; and the file. */
    FUZZ_CHECK(complaints <= NT_ARRAY_LEN(settings) + 2);
    first = C.conf;
    load();
    FUZZ_CHECK(memcmp(&first, &C.conf, sizeof first) == 0);
    FUZZ_CHECK(fuzz_complaints == 2 * complaints);
    close(fd);
}

static void read_topology(const char *text)
{
    static struct nt_topo t;
    uint64_t slots = 0;

    memset(&t, 0, sizeof t);
    if (!nt__topo_fake(&t, text))
        return;
    FUZZ_CHECK(t.nodes >= 1 && t.nodes <= NT_TOPO_NODES);
    for (unsigned i = 0; i < t.nodes; i++) {
        FUZZ_CHECK(t.node[i].id >= 0 && (i == 0 || t.node[i].id > t.node[i - 1].id));
        FUZZ_CHECK(t.node[i].distance[i] == NT_DISTANCE_HERE);
        slots |= (uint64_t)t.node[i].has_memory << i;
    }
    FUZZ_CHECK(slots != 0);
    for (unsigned cpu = 0; cpu < NT_TOPO_CPUS; cpu++)
        FUZZ_CHECK(t.slot_of_cpu[cpu] < t.nodes);
}

static void read_policy(const char *text)
{
    struct nt_policy p, again;
    char name[NT_POLICY_NAME_MAX];
    uint64_t slots;

    if (nt__topo_slots(text, &slots))
        FUZZ_CHECK(slots != 0 && (slots & ~nt__topo_usable()) == 0);
    if (nt__policy_parse(text, &p) != NULL)
        return;
    FUZZ_CHECK(p.slots != 0 && (p.slots & ~nt__topo_usable()) == 0);
    nt__policy_name(&p, name, sizeof name);
    FUZZ_CHECK(nt__policy_parse(name, &again) == NULL && nt__policy_same(&p, &again));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    setenv("NUMATALLY_TOPOLOGY",
           "node0:cpus=0:mem=1G/node3:cpus=1:mem=1G/"
           "node4:mem=2G/node7:cpus=2:mem=1G:forbidden",
           1);
    nt__topo_start();
    FUZZ_CHECK(nt__topo()->nodes == 4);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes b = {data, data + size};
    char *text[5];

    for (int i = 0; i < 5; i++)
        text[i] = fuzz_text(&b, 0);
    read_settings(text[0], text[1], text[2]);
    read_topology(text[3]);
    read_policy(text[4]);
    for (int i = 0; i < 5; i++)
        free(text[i]);
    return 0;
}
