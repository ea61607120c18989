/* SPDX-License-Identifier: MIT */
/*
 * Reading values out of a record's JSON. Each call returns false, after noting the place
 * and what is wrong with it for nt__record_read to say, when the value is not as it should
 * be.
 */
#ifndef NT_TOOL_RECORD_H
#define NT_TOOL_RECORD_H

#include "src/tool/tool.h"
#include "src/track/report.h"

bool nt__record_refuse(const char *what, const char *where);
bool nt__record_i64(const json_t *object, const char *key, int64_t *out);
bool nt__record_u64(const json_t *object, const char *key, uint64_t *out);
bool nt__record_bool(const json_t *object, const char *key, uint8_t *out);
bool nt__record_text(const json_t *object, const char *key, char *out, size_t cap);
bool nt__record_numbers(const json_t *object, const char *key, size_t max,
                        uint64_t *out, size_t *n);
bool nt__record_array(const json_t *object, const char *key, size_t max,
                      const json_t **out);
/* An array of as many zeroed entries of `size` bytes as the JSON array `key` has: at *out, *n. */
bool nt__record_rows(const json_t *object, const char *key, size_t size,
                     const json_t **rows, void *out, size_t *n);
bool nt__record_figures(const json_t *object, enum nt_figure_list list, void *base);

/* record_profile.c: the part "profile", if there is one; nt__record_profile_free gives its
 * arrays back. */
bool nt__record_profile(const json_t *root, struct nt_profile *out);
void nt__record_profile_free(struct nt_profile *p);

/* record_history.c: the part "history", if there is one, of so many nodes. */
bool nt__record_history(const json_t *root, unsigned nodes, struct nt_history *out);

/* record_job.c: the part "job", if there is one. */
bool nt__record_job(const json_t *root, struct nt_job *out);

#endif
