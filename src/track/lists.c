/* SPDX-License-Identifier: MIT */
/* The lists of figures as data: what report.h and the public headers name by macro. */
#include "src/track/profile.h"
#include "src/track/report.h"

#include <numatally/profile.h>

#define NT_ENTRY(name, unit, label, text) {#name, label, unit, offsetof(NT_OF, name)},
#define NT_FIELD(name, unit, label, text) uint64_t name;

#define NT_OF struct nt_snapshot
static const struct nt_figure process_figures[] = {
    NT_PROCESS_FIGURES(NT_ENTRY){NULL, NULL, 0, 0}};
#undef NT_OF
#define NT_OF struct nt_node_figures
static const struct nt_figure node_figures[] = {
    NT_NODE_FIGURES(NT_ENTRY){NULL, NULL, 0, 0}};
#undef NT_OF
#define NT_OF struct nt_class_figures
static const struct nt_figure class_figures[] = {
    NT_CLASS_FIGURES(NT_ENTRY){NULL, NULL, 0, 0}};
#undef NT_OF
#define NT_OF struct nt_thread_figures
static const struct nt_figure thread_figures[] = {
    NT_THREAD_FIGURES(NT_ENTRY){NULL, NULL, 0, 0}};
#undef NT_OF
#define NT_OF struct nt_pool_figures
static const struct nt_figure pool_figures[] = {
    NT_POOL_FIGURES(NT_ENTRY){NULL, NULL, 0, 0}};
#undef NT_OF
#define NT_OF struct nt_phase_figures
static const struct nt_figure phase_figures[] = {
    NT_PHASE_FIGURES(NT_ENTRY){NULL, NULL, 0, 0}};
#undef NT_OF
#define NT_OF struct nt_site_figures
static const struct nt_figure site_figures[] = {
    NT_SITE_FIGURES(NT_ENTRY){NULL, NULL, 0, 0}};
#undef NT_OF
#define NT_OF struct nt_tracked_figures
static const struct nt_figure tracked_figures[] = {
    NT_TRACKED_FIGURES(NT_ENTRY){NULL, NULL, 0, 0}};
#undef NT_OF
#define NT_OF struct nt_job_row
static const struct nt_figure job_figures[] = {
    NT_JOB_FIGURES(NT_ENTRY){NULL, NULL, 0, 0}};
#undef NT_OF
#define NT_OF struct nt_job_node
static const struct nt_figure job_node_figures[] = {
    NT_JOB_NODE_FIGURES(NT_ENTRY){NULL, NULL, 0, 0}};
#undef NT_OF

#define NT_OF struct nt_size_figures
static const struct nt_figure size_figures[] = {
    NT_SIZE_FIGURES(NT_ENTRY){NULL, NULL, 0, 0}};
#undef NT_OF

/* The lists of report.h name every field of the structs in stats.h. */
_Static_assert(sizeof(struct nt_thread_figures) == sizeof(struct {
                   int64_t numbers[2];
                   char name[32];
                   NT_THREAD_FIGURES(NT_FIELD)
               }),
               "a thread figure is missing");
_Static_assert(sizeof(struct nt_pool_figures) == sizeof(struct {
                   char name[32];
                   NT_POOL_FIGURES(NT_FIELD)
               }),
               "a pool figure is missing");
_Static_assert(sizeof(struct nt_phase_figures) == sizeof(struct {
                   char name[64];
                   uint64_t running;
                   NT_PHASE_FIGURES(NT_FIELD)
               }),
               "a phase figure is missing");
_Static_assert(offsetof(struct nt_snapshot, page_bytes) -
                       offsetof(struct nt_snapshot, threads_now) ==
                   sizeof(struct {NT_PROCESS_FIGURES(NT_FIELD)}),
               "a process figure is missing");
#undef NT_FIELD

const struct nt_figure *nt__figures(enum nt_figure_list list)
{
    static const struct nt_figure *const lists[] = {
        [NT_LIST_PROCESS] = process_figures, [NT_LIST_NODE] = node_figures,
        [NT_LIST_CLASS] = class_figures,     [NT_LIST_THREAD] = thread_figures,
        [NT_LIST_POOL] = pool_figures,       [NT_LIST_PHASE] = phase_figures,
        [NT_LIST_SITE] = site_figures,       [NT_LIST_TRACKED] = tracked_figures,
        [NT_LIST_JOB] = job_figures,         [NT_LIST_JOB_NODE] = job_node_figures,
        [NT_LIST_SIZE] = size_figures,
    };

    return lists[list];
}
