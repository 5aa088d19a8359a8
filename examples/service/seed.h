/* seed.h: PROGRAM seed: 10,000 users and products, the same every time, and an admin. */
#ifndef SERVICE_SEED_H
#define SERVICE_SEED_H

#include "shop.h"

void seed_declare(bk_app *app, struct shop *shop);

#endif
