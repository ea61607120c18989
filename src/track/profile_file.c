/* SPDX-License-Identifier: MIT */
/*
 * The profile as a file: a head, then the arrays as they are in memory, one after the other.
 * It is written beside its name and renamed, so a reader always finds a whole one.
 */
#include "src/track/profile_out.h"

#include "src/base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "ntprof2"

int rename(const char *from, const char *to); /* stdio.h would bring stdio along */

struct head {
    char magic[8];
    uint64_t interval_bytes, sampling, lost_total;
    struct nt_site_figures total;
    uint64_t nsites, nsamples, nremotes, nmodules, nsizes;
};

bool nt__profile_path(char *out, size_t cap, const char *live)
{
    static const char ending[] = ".live";
    size_t len = strlen(live), cut = sizeof ending - 1;
    if (len < cut || strcmp(live + len - cut, ending) != 0 || len + 4 > cap)
        return false;
    memcpy(out, live, len - cut);
    memcpy(out + len - cut, ".profile", sizeof ".profile");
    return true;
}

static int write_arrays(int fd, const struct nt_profile *p)
{
    struct head head = {
        .magic = MAGIC,
        .interval_bytes = p->interval_bytes,
        .sampling = p->sampling,
        .lost_total = p->lost_total,
        .total = p->total,
        .nsites = p->nsites,
        .nsamples = p->nsamples,
        .nremotes = p->nremotes,
        .nmodules = p->nmodules,
        .nsizes = p->nsizes,
    };
    const struct {
        const void *at;
        size_t bytes;
    } parts[] = {{&head, sizeof head},
                 {p->sites, p->nsites * sizeof *p->sites},
                 {p->samples, p->nsamples * sizeof *p->samples},
                 {p->remotes, p->nremotes * sizeof *p->remotes},
                 {p->modules, p->nmodules * sizeof *p->modules},
                 {p->sizes, p->nsizes * sizeof *p->sizes}};
    int err = 0;
    for (size_t i = 0; i < NT_ARRAY_LEN(parts) && err == 0; i++)
        if (parts[i].bytes != 0)
            err = nt__write_all(fd, parts[i].at, parts[i].bytes);
    return err;
}

int nt__profile_save(const char *path, const struct nt_profile *p)
{
    char name[1200];
    if (strlen(path) + 2 > sizeof name)
        return -ENAMETOOLONG;
    nt__fmt_into(name, sizeof name, "%s~", path);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = write_arrays(fd, p);
    if (close(fd) != 0 && err == 0)
        err = -errno;
    if (err == 0 && rename(name, path) != 0)
        err = -errno;
    if (err != 0)
        unlink(name);
    return err;
}

/* Nothing in a file is believed: it may have been made by anybody. */
static bool is_whole(const struct nt_profile *p)
{
    for (size_t i = 0; i < p->nsites; i++)
        if (p->sites[i].depth > NT_STACK_MAX)
            return false;
    for (size_t i = 0; i < p->nmodules; i++)
        if (p->modules[i].build_id_bytes > NT_BUILD_ID_MAX ||
            p->modules[i].path[NT_MODULE_PATH_MAX - 1] != '\0')
            return false;
    return p->total.depth == 0;
}

static int read_mapped(size_t bytes, struct nt_profile *out)
{
    const struct head *head = out->memory;
    size_t left = bytes - sizeof *head;
    char *at = (char *)out->memory + sizeof *head;
    const uint64_t counts[] = {head->nsites, head->nsamples, head->nremotes,
                               head->nmodules, head->nsizes};
    const size_t sizes[] = {sizeof *out->sites, sizeof *out->samples,
                            sizeof *out->remotes, sizeof *out->modules,
                            sizeof *out->sizes};
    void *arrays[NT_ARRAY_LEN(sizes)];
    if (memcmp(head->magic, MAGIC, sizeof head->magic) != 0)
        return -EBADMSG;
    for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++) {
        if (counts[i] > left / sizes[i])
            return -EBADMSG;
        arrays[i] = at;
        at += counts[i] * sizes[i];
        left -= counts[i] * sizes[i];
    }
    out->interval_bytes = head->interval_bytes;
    out->sampling = head->sampling;
    out->lost_total = head->lost_total;
    out->total = head->total;
    out->sites = arrays[0];
    out->samples = arrays[1];
    out->remotes = arrays[2];
    out->modules = arrays[3];
    out->sizes = arrays[4];
    out->nsites = head->nsites;
    out->nsamples = head->nsamples;
    out->nremotes = head->nremotes;
    out->nmodules = head->nmodules;
    out->nsizes = head->nsizes;
    return left == 0 && is_whole(out) ? 0 : -EBADMSG;
}

int nt__profile_load(const char *path, struct nt_profile *out)
{
    struct stat st;
    int err = 0;
    memset(out, 0, sizeof *out);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) != 0)
        err = -errno;
    else if (!S_ISREG(st.st_mode) || (size_t)st.st_size < sizeof(struct head))
        err = -EBADMSG;
    if (err == 0) {
        void *memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (memory == MAP_FAILED)
            err = -errno;
        else
            out->memory = memory;
        out->memory_bytes = nt__align_up((size_t)st.st_size, nt__os_page_size());
    }
    close(fd);
    if (err == 0)
        err = read_mapped((size_t)st.st_size, out);
    if (err != 0)
        nt__profile_free(out);
    return err;
}
