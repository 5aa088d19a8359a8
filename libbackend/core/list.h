/*
 * list.h: an intrusive doubly linked list.
 *
 * The link lives in the element, so nothing is allocated and an element can leave from anywhere. A
 * link that is in no list points at itself or is all zeros: both count as unlinked, so that a
 * zeroed struct needs no set-up, and removing twice is harmless.
 */
#ifndef BK_CORE_LIST_H
#define BK_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct bk__link {
    struct bk__link *prev, *next;
};

/* The anchor of a list. */
struct bk__list {
    struct bk__link anchor;
};

#define bk__container_of(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

/* Visits each link from the first to the last. The present one may be removed only when the loop is
 * left at once. */
#define bk__list_each(it, list)                                                                    \
    for (struct bk__link *it = (list)->anchor.next; it != &(list)->anchor; it = it->next)

static inline void bk__list_init(struct bk__list *list)
{
    list->anchor.prev = list->anchor.next = &list->anchor;
}

static inline bool bk__list_empty(const struct bk__list *list)
{
    return list->anchor.next == &list->anchor;
}

static inline bool bk__link_in_list(const struct bk__link *link)
{
    return link->next != NULL && link->next != link;
}

/* Puts an unlinked element at the end. */
static inline void bk__list_push(struct bk__list *list, struct bk__link *link)
{
    link->prev = list->anchor.prev;
    link->next = &list->anchor;
    link->prev->next = link;
    list->anchor.prev = link;
}

/* Puts an unlinked element at the front. */
static inline void bk__list_push_front(struct bk__list *list, struct bk__link *link)
{
    link->prev = &list->anchor;
    link->next = list->anchor.next;
    link->next->prev = link;
    list->anchor.next = link;
}

static inline void bk__list_remove(struct bk__link *link)
{
    if (!bk__link_in_list(link))
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = link;
}

/* Takes the first element out; NULL when there is none. */
static inline struct bk__link *bk__list_pop(struct bk__list *list)
{
    struct bk__link *first = list->anchor.next;
    if (first == &list->anchor)
        return NULL;
    bk__list_remove(first);
    return first;
}

#endif
