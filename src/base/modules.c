/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "src/base/modules.h"

#include "src/base/meta.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <unistd.h>

#define CHUNK 64    /* modules */
#define CHUNKS 1024 /* a program that loads more than 65,536 has the rest unnamed */

static struct {
    struct nt_lock lock;
    bool threads; /* there were others when the lock was taken for a fork */
    bool closed;  /* nobody may ask the linker any more */
    struct nt_module *chunk[CHUNKS];
    unsigned count;      /* released: the modules below it are whole */
    uint32_t generation; /* read by anyone */
    uint64_t adds, subs; /* of the linker's counts, what the table has seen */
} modules = {.lock = NT_LOCK_INIT(NT_RANK_MODULES)};

unsigned nt__modules_count(void)
{
    return __atomic_load_n(&modules.count, __ATOMIC_ACQUIRE);
}

static struct nt_module *get(unsigned i)
{
    return &modules.chunk[i / CHUNK][i % CHUNK];
}

const struct nt_module *nt__modules_get(unsigned i)
{
    return get(i);
}

/* ---- One module ------------------------------------------------------------------------ */

static void read_notes(struct nt_module *m, const char *at, size_t bytes)
{
    while (bytes >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) head;
        memcpy(&head, at, sizeof head);
        size_t name = nt__align_up(head.n_namesz, 4);
        size_t data = nt__align_up(head.n_descsz, 4);
        if (name > bytes - sizeof head || data > bytes - sizeof head - name)
            return;
        const char *text = at + sizeof head;
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 &&
            memcmp(text, "GNU", 4) == 0) {
            m->build_id_bytes = (uint32_t)nt__min(head.n_descsz, NT_BUILD_ID_MAX);
            memcpy(m->build_id, text + name, m->build_id_bytes);
            return;
        }
        at = text + name + data;
        bytes -= sizeof head + name + data;
    }
}

/* Copies a path, cut to fit. */
static void set_path(struct nt_module *m, const char *path)
{
    size_t bytes = strnlen(path, sizeof m->path - 1);
    memcpy(m->path, path, bytes);
    m->path[bytes] = '\0';
}

static void describe(struct nt_module *m, const struct dl_phdr_info *info)
{
    memset(m, 0, sizeof *m);
    m->bias = info->dlpi_addr;
    m->start = UINT64_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD) {
            m->start = nt__min(m->start, at);
            m->end = nt__max(m->end, at + p->p_memsz);
        } else if (p->p_type == PT_NOTE && m->build_id_bytes == 0) {
            read_notes(m, (const char *)at, p->p_memsz);
        }
    }
    if (m->start > m->end)
        m->start = m->end;
    if (info->dlpi_name[0] != '\0')
        set_path(m, info->dlpi_name);
    else if (readlink("/proc/self/exe", m->path, sizeof m->path - 1) < 0)
        m->path[0] = '\0';
    m->to = UINT32_MAX;
}

/* ---- The table ------------------------------------------------------------------------- */

/* A pass over what the linker has. */
struct pass {
    bool begun;
    bool unloaded; /* something was, since the last pass */
    uint32_t generation;
};

static bool is_same(const struct nt_module *m, const struct nt_module *other)
{
    return m->start == other->start && m->end == other->end && m->bias == other->bias &&
           m->build_id_bytes == other->build_id_bytes &&
           memcmp(m->build_id, other->build_id, m->build_id_bytes) == 0 &&
           strcmp(m->path, other->path) == 0;
}

static void add(const struct nt_module *m)
{
    unsigned i = modules.count;
    if (i == CHUNK * CHUNKS)
        return;
    if (i % CHUNK == 0)
        modules.chunk[i / CHUNK] =
            nt__meta_alloc(CHUNK * sizeof *m, _Alignof(struct nt_module));
    if (!modules.chunk[i / CHUNK])
        return;
    *get(i) = *m;
    /* Release: pairs with nt__modules_count. */
    __atomic_store_n(&modules.count, i + 1, __ATOMIC_RELEASE);
}

/* The module `m` is in memory in the pass's generation. */
static void see(const struct pass *pass, struct nt_module *m)
{
    for (unsigned i = modules.count; i-- > 0;) {
        struct nt_module *old = get(i);
        /* The one that was there in the last generation: this pass ended all of them. */
        uint32_t last = pass->unloaded ? pass->generation : UINT32_MAX;
        if (old->to == last && is_same(old, m)) {
            __atomic_store_n(&old->to, UINT32_MAX, __ATOMIC_RELAXED);
            return;
        }
        if (old->to == UINT32_MAX && is_same(old, m))
            return;
    }
    m->from = pass->generation;
    add(m);
}

static void begin(struct pass *pass, const struct dl_phdr_info *info)
{
    pass->begun = true;
    pass->unloaded = info->dlpi_subs != modules.subs;
    pass->generation = modules.generation + pass->unloaded;
    for (unsigned i = 0; pass->unloaded && i < modules.count; i++)
        if (get(i)->to == UINT32_MAX)
            __atomic_store_n(&get(i)->to, pass->generation, __ATOMIC_RELAXED);
    modules.adds = info->dlpi_adds;
    modules.subs = info->dlpi_subs;
}

static int on_module(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct pass *pass = argument;
    struct nt_module m;
    (void)size;
    if (!pass->begun) {
        if (modules.adds == info->dlpi_adds && modules.subs == info->dlpi_subs)
            return 1; /* nothing came or went */
        begin(pass, info);
    }
    describe(&m, info);
    see(pass, &m);
    return 0;
}

uint32_t nt__modules_refresh(void)
{
    struct pass pass = {0};
    if (!modules.closed && nt__trylock(&modules.lock)) {
        dl_iterate_phdr(on_module, &pass);
        if (pass.begun)
            /* Release: who has the generation finds its modules. */
            __atomic_store_n(&modules.generation, pass.generation, __ATOMIC_RELEASE);
        nt__unlock(&modules.lock);
    }
    return __atomic_load_n(&modules.generation, __ATOMIC_ACQUIRE);
}

bool nt__modules_may_ask(void)
{
    return !modules.closed;
}

/* ---- fork ------------------------------------------------------------------------------ */

void nt__modules_fork_lock(void)
{
    nt__lock_for_fork(&modules.lock);
    modules.threads = !__libc_single_threaded;
}

void nt__modules_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT) {
        nt__unlock_after_fork(&modules.lock);
        return;
    }
    /* A thread that did not come along may have had the linker's lock, which glibc does not
     * make anew: who asks might wait for ever. What is loaded from now on has no name. */
    modules.closed |= modules.threads || !__libc_single_threaded;
    if (how == NT_FORK_RAW && nt__lock_raw(&modules.lock))
        modules.adds = 0; /* the next pass brings in what this one did not come to */
    nt__lock_init(&modules.lock, NT_RANK_MODULES);
}
