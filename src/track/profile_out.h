/* SPDX-License-Identifier: MIT */
/*
 * The profile as text and as the part "profile" of the JSON record; and as a file beside
 * the live file, for `numatally run`, who reads it when the process is gone.
 */
#ifndef NT_TRACK_PROFILE_OUT_H
#define NT_TRACK_PROFILE_OUT_H

#include "src/base/fmt.h"
#include "src/track/profile.h"

NT_HIDDEN void nt__profile_text(struct nt_fmt *f, const struct nt_profile *p);
NT_HIDDEN void nt__profile_json(struct nt_fmt *f, const struct nt_profile *p);

/* Which of the modules the return address `pc` lay in, in that generation; NULL: none
 * known. */
NT_HIDDEN const struct nt_module *nt__profile_module(const struct nt_profile *p,
                                                     uint32_t generation, uint64_t pc);

/* The name of the file beside the live file `live`: .profile in place of .live. False: it
 * is not the name of one, or too long. */
NT_HIDDEN bool nt__profile_path(char *out, size_t cap, const char *live);

/* Write the file, at once as a whole. 0 or a negative errno. */
NT_HIDDEN int nt__profile_save(const char *path, const struct nt_profile *p);

/* Read it; nt__profile_free is for the caller. 0, -EBADMSG: it is no such file of this
 * version, or damaged; -ENOENT and so on. */
NT_HIDDEN int nt__profile_load(const char *path, struct nt_profile *out);

#endif
