/* SPDX-License-Identifier: MIT */
/*
 * The contract where memory ends, and what the family tells about itself: errors under
 * RLIMIT_AS and RLIMIT_DATA, use of what was freed after exhaustion, mallinfo2,
 * malloc_info, malloc_stats, malloc_trim, mallopt. For each limit it runs itself anew.
 */
#include "check.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A part of the test that this program runs on itself under a limit. */
struct part {
    const char *name;
    void (*body)(void);
    int resource;
    size_t bytes;
};

/* Run `part` in a new process, limited from its start; its failures become one. */
static void run_limited(const char *program, const struct part *part)
{
    int status = -1;

    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit value = {.rlim_cur = part->bytes, .rlim_max = part->bytes};
        if (setrlimit((unsigned)part->resource, &value) == 0)
            execl(program, program, part->name, (char *)NULL);
        _exit(126);
    }
    waitpid(child, &status, 0);
    CHECK(part->name, WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- Exhaustion ----------------------------------------------------------- */

/* Address space in use, without /proc: where the kernel refuses is what is left. */
static size_t room_left(void)
{
    size_t low = 0, high = (size_t)1 << 40;

    while (high - low > MIB) {
        size_t middle = low + (high - low) / 2;
        void *p = mmap(NULL, middle, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p != MAP_FAILED)
            munmap(p, middle);
        *(p != MAP_FAILED ? &low : &high) = middle;
    }
    return low;
}

static void every_call_fails_well(void)
{
    char *kept = malloc(1000);
    void *mark = &kept, *p = mark;
    size_t n = opaque(3 * GIB);

    fill(kept, 1000, 1);
    errno = 0;
    CHECK("malloc: ENOMEM", !malloc(n) && errno == ENOMEM);
    errno = 0;
    CHECK("calloc: ENOMEM", !calloc(1, n) && errno == ENOMEM);
    errno = 0;
    CHECK("realloc: ENOMEM", !realloc(hidden(kept), n) && errno == ENOMEM);
    errno = 0;
    CHECK("reallocarray: ENOMEM", !reallocarray(hidden(kept), n, 1) && errno == ENOMEM);
    CHECK("and the block is kept", filled(kept, 1000, 1));
    errno = 0;
    CHECK("aligned_alloc: ENOMEM", !aligned_alloc(64, n) && errno == ENOMEM);
    errno = 0;
    CHECK("memalign: ENOMEM", !memalign(64, n) && errno == ENOMEM);
    errno = 0;
    CHECK("valloc: ENOMEM", !valloc(n) && errno == ENOMEM);
    errno = 0;
    CHECK("pvalloc: ENOMEM", !pvalloc(n) && errno == ENOMEM);
    errno = 0;
    p = aligned_alloc(4 * GIB, 1);
    CHECK("alignment larger than the room: a block or ENOMEM",
          p ? is_aligned(p, 4 * GIB) && errno == 0 : errno == ENOMEM);
    free(p);
    p = mark;
    errno = 77;
    CHECK("posix_memalign: ENOMEM", posix_memalign(&p, 64, n) == ENOMEM);
    CHECK("it leaves errno and the pointer", errno == 77 && p == mark);
    errno = 77;
    kept = realloc(kept, 5000);
    CHECK("small requests still succeed and leave errno", kept && errno == 77);
    free(kept);
}

/* Take all there is in blocks of `bytes`, linked through their first word. */
static void **take_all(size_t bytes, size_t *count)
{
    void **list = NULL, **p;

    errno = 0;
    for (*count = 0; (p = malloc(bytes)) != NULL; (*count)++) {
        memset(p, 0x33, bytes);
        *p = list;
        list = p;
    }
    CHECK("exhaustion sets ENOMEM", errno == ENOMEM);
    return list;
}

static void free_all(void **list)
{
    while (list) {
        void **next = *list;
        free(list);
        list = next;
    }
}

static void exhaust(size_t bytes)
{
    size_t room = room_left(), first, again;

    void **list = take_all(bytes, &first);
    CHECK("at least 80 % of the room was given out", first * bytes > room / 10 * 8);
    errno = 77;
    free_all(list);
    CHECK("free keeps errno when memory is out", errno == 77);
    list = take_all(bytes, &again);
    CHECK("at least 90 % of it can be had again", again * 10 >= first * 9);
    free_all(list);
    void *quarter = malloc(room / 4);
    CHECK("a block of a quarter of the room fits after freeing all", quarter != NULL);
    free(quarter);
    list = take_all(3000, &again);
    CHECK("and 80 % of the room in another size", again * 3000 > room / 10 * 8);
    free_all(list);
}

static void exhaust_small(void)
{
    exhaust(64);
}

static void exhaust_medium(void)
{
    exhaust(20000);
}

static void exhaust_large(void)
{
    exhaust(5 * MIB);
}

static void exhaust_data(void)
{
    size_t count;
    void **list = take_all(4000, &count);
    CHECK("RLIMIT_DATA: more than 250 MiB were given out", count * 4000 > 250 * MIB);
    free_all(list);
    list = take_all(4000, &count);
    CHECK("and again", count * 4000 > 220 * MIB);
    free_all(list);
}

static void *exhausting_thread(void *unused)
{
    size_t count;

    for (int round = 0; round < 3; round++)
        free_all(take_all(10000, &count));
    errno = 77;
    free(NULL);
    return unused;
}

static void exhaust_threads(void)
{
    pthread_t thread[3];
    int started = 0;

    while (started < 3 &&
           !pthread_create(&thread[started], NULL, exhausting_thread, NULL))
        started++;
    CHECK("threads start", started == 3);
    while (started > 0)
        pthread_join(thread[--started], NULL);
    void *p = malloc(50 * MIB);
    CHECK("memory is back after threads fought for the last of it", p != NULL);
    free(p);
}

/* ---- Figures -------------------------------------------------------------- */

static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void check_mallinfo(void)
{
    enum { BLOCKS = 20000, BYTES = 2000 };
    static void *block[BLOCKS];
    size_t before = in_use();

    for (int i = 0; i < BLOCKS; i++)
        block[i] = malloc(BYTES);
    size_t during = in_use();
    struct mallinfo2 info = mallinfo2();
    CHECK("mallinfo2 sees 40 MB in small blocks",
          during - before >= BLOCKS * (size_t)BYTES &&
              during - before <= BLOCKS * (size_t)BYTES / 8 * 10);
    CHECK("arena is what is used and what is not",
          info.arena == info.uordblks + info.fordblks);
    CHECK("keepcost is part of what is not used", info.keepcost <= info.fordblks);
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
    CHECK("and sees them freed", in_use() < before + MIB);

    before = in_use();
    size_t large = mallinfo2().hblkhd, blocks = mallinfo2().hblks;
    void *p = malloc(100 * MIB);
    CHECK("mallinfo2 sees a large block",
          in_use() - before >= 100 * MIB && in_use() - before <= 101 * MIB);
    CHECK("as one with a mapping of its own",
          mallinfo2().hblkhd - large >= 100 * MIB && mallinfo2().hblks == blocks + 1);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    CHECK("mallinfo says the same", mallinfo().hblkhd == (int)mallinfo2().hblkhd);
#pragma GCC diagnostic pop
    free(p);
    CHECK("and sees it freed", in_use() < before + MIB);
    errno = 77;
    (void)mallinfo2();
    CHECK("mallinfo2 leaves errno", errno == 77);
}

static bool has(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

/* The last element of this name and type: that of the whole process. */
static size_t total(const char *text, const char *element, const char *attribute)
{
    const char *found = NULL;

    for (const char *at = text; (at = strstr(at, element)); at++)
        found = at;
    found = found ? strstr(found, attribute) : NULL;
    return found ? strtoull(found + strlen(attribute), NULL, 10) : SIZE_MAX;
}

static void check_malloc_info(void)
{
    static char text[1 << 20];
    void *large = malloc(64 * MIB), *small = malloc(100);
    FILE *stream = fmemopen(text, sizeof(text), "w");

    CHECK("malloc_info gives 0", malloc_info(0, stream) == 0);
    CHECK("malloc_info with options fails", malloc_info(1, stream) != 0);
    fclose(stream);
    CHECK("it begins as glibc's", has(text, "<malloc version=\"1\">"));
    CHECK("it ends as glibc's", has(text, "</malloc>\n"));
    CHECK("it has heaps", has(text, "<heap nr=\"0\">") && has(text, "</heap>"));
    CHECK("it counts the large block",
          total(text, "<total type=\"mmap\"", "size=\"") >= 64 * MIB &&
              total(text, "<total type=\"mmap\"", "count=\"") >= 1);
    size_t system = total(text, "<system type=\"current\"", "size=\"");
    CHECK("what it has from the system holds what is in use",
          system != SIZE_MAX && system >= mallinfo2().uordblks);
    free(large);
    free(small);
}

static void check_malloc_stats(void)
{
    static char text[1 << 16];
    int ends[2], saved = dup(STDERR_FILENO);

    CHECK("pipe", pipe(ends) == 0);
    fflush(stderr);
    dup2(ends[1], STDERR_FILENO);
    malloc_stats();
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    close(saved);
    ssize_t n = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    CHECK("malloc_stats prints on stderr", n > 20);
}

/* Huge pages that were set apart are counted apart. */
static size_t resident_bytes(void)
{
    char line[256];
    unsigned long kib, sum = 0;
    FILE *file = fopen("/proc/self/status", "r");

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %lu", &kib) == 1 ||
            sscanf(line, "HugetlbPages: %lu", &kib) == 1)
            sum += kib;
    if (file)
        fclose(file);
    return sum * 1024;
}

static void check_trim(void)
{
    enum { BLOCKS = 40000, BYTES = 4000 };
    static void *block[BLOCKS];
    malloc_trim(0);
    size_t before = resident_bytes();
    for (int i = 0; i < BLOCKS; i++)
        memset(block[i] = malloc(BYTES), 1, BYTES);
    CHECK("160 MB are resident", resident_bytes() > before + 150 * MIB);
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
    errno = 77;
    int gave = malloc_trim(0);
    CHECK("malloc_trim leaves errno", errno == 77);
    CHECK("after malloc_trim(0) they are not", resident_bytes() < before + 16 * MIB);
    CHECK("its result is 0 or 1", gave == 0 || gave == 1);
    malloc_trim(0);
    CHECK("trimming what was trimmed gives nothing", malloc_trim(0) == 0);
    for (int i = 0; i < 1000; i++)
        memset(block[i] = malloc(BYTES), 2, BYTES);
    bool good = true;
    for (int i = 0; i < 1000; i++) {
        good &= ((char *)block[i])[BYTES - 1] == 2;
        free(block[i]);
    }
    CHECK("memory works after it", good);
}

static void check_mallopt(void)
{
    CHECK("mallopt takes glibc's hints",
          mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1 &&
              mallopt(M_TRIM_THRESHOLD, 1 << 20) && mallopt(M_TOP_PAD, 1 << 16) &&
              mallopt(M_MMAP_MAX, 1000) && mallopt(M_ARENA_MAX, 4) &&
              mallopt(M_MXFAST, 64));
    CHECK("mallopt refuses fast bins that are too large",
          mallopt(M_MXFAST, 100000) == 0);
}

static const struct part parts[] = {
    {"errors-where-memory-ends", every_call_fails_well, RLIMIT_AS, GIB},
    {"exhaustion-by-small-blocks", exhaust_small, RLIMIT_AS, 600 * MIB},
    {"exhaustion-by-medium-blocks", exhaust_medium, RLIMIT_AS, 600 * MIB},
    {"exhaustion-by-large-blocks", exhaust_large, RLIMIT_AS, 600 * MIB},
    {"exhaustion-of-data", exhaust_data, RLIMIT_DATA, 400 * MIB},
    {"exhaustion-by-threads", exhaust_threads, RLIMIT_AS, 600 * MIB},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < COUNT(parts); i++)
        if (strcmp(argv[1], parts[i].name) == 0) {
            parts[i].body();
            return check_failed != 0;
        }
    count_when_killed();
    check_mallinfo();
    check_malloc_info();
    check_malloc_stats();
    check_trim();
    check_mallopt();
    for (size_t i = 0; i < COUNT(parts); i++)
        run_limited(argv[0], &parts[i]);
    return done();
}
