/* observability.h: see docs/guide/observability.md. */
#ifndef GUIDE_OBSERVABILITY_H
#define GUIDE_OBSERVABILITY_H

#include <backend/backend.h>

bk_err observability_set_up(void);
void observability_declare(bk_app *app);

#endif
