/*
 * slots.h: which part of a Cluster a command belongs to.
 */
#ifndef BK_REDIS_SLOTS_H
#define BK_REDIS_SLOTS_H

#include <stddef.h>

#include <backend/base.h>

#define BK__REDIS_SLOTS 16384

/* Whether a key has a hash tag, "{...}": only that decides its slot then. @p tag  Receives what is
 * within; may be NULL. */
bool bk__redis_tag_of(bk_str key, bk_str *tag);

/* The slot of a key, or of its hash tag where it has one. */
uint16_t bk__redis_slot_of(bk_str key);

/* The first key of a command. False: it has none, and any node will do. */
bool bk__redis_key_of(const bk_str *words, size_t count, bk_str *key);

#endif
