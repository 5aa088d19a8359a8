/*
 * fault.h: failures made to happen.
 *
 * A named point in the code asks whether it should fail now; tests say "the Nth time from here".
 * Only in builds with -Dfault_injection=true; elsewhere a point is the constant false.
 *
 *     if (BK__FAULT("stack.map"))
 *         return NULL;
 */
#ifndef BK_CORE_FAULT_H
#define BK_CORE_FAULT_H

#include <stdbool.h>

#ifdef BK_FAULT_INJECTION
bool bk__fault_hit(const char *point);
/* The @p nth hit of @p point from now (1: the next) fails, and the @p times - 1 after it. */
void bk__fault_arm(const char *point, unsigned nth, unsigned times);
void bk__fault_disarm_all(void);
#define BK__FAULT(point) bk__fault_hit(point)
#else
#define BK__FAULT(point) false
#endif

#endif
