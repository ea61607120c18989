/* SPDX-License-Identifier: MIT */
/*
 * The settings mark_signal and report_signal: marks and reports asked for from outside.
 *
 * The handler takes no lock that it would have to wait for (lock.h: nt__lock_or_try). A
 * mark is made at once, or by the thread that is at the table of phases just then; a report
 * is made at once, or, where something of it is being changed, at the end of the call that
 * does so or of the next slow one of any thread. Reports asked for while one is due are one.
 *
 * A signal is taken only if nobody had a use for it when the library started. Whoever sets a
 * handler later has it.
 */
#ifndef NT_HEAP_SIGNALS_H
#define NT_HEAP_SIGNALS_H

#include "src/base/base.h"

/* Once, when the figures work. */
NT_HIDDEN void nt__signals_start(void);

#endif
