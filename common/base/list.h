/* list.h - intrusive doubly linked lists: a link lives inside its element, nothing is allocated. */
#ifndef WEIR_BASE_LIST_H
#define WEIR_BASE_LIST_H

#include <stdbool.h>

#include "base/mem.h"

struct weir_link {
    struct weir_link *prev, *next;
};

/* The head is a link of its own; an element's link that is in no list points at itself. */
static inline void weir_list_init(struct weir_link *l)
{
    l->prev = l->next = l;
}

static inline bool weir_list_empty(const struct weir_link *l)
{
    return l->next == l;
}

static inline void weir_list_push(struct weir_link *head, struct weir_link *l) /* at the end */
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

static inline void weir_list_remove(struct weir_link *l) /* fine when it is in no list */
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    weir_list_init(l);
}

static inline struct weir_link *weir_list_pop(struct weir_link *head) /* the first; NULL if empty */
{
    struct weir_link *l = head->next;

    if (l == head)
        return NULL;
    weir_list_remove(l);
    return l;
}

/* Safe against removal of the current element. */
#define WEIR_LIST_EACH(head, link, following)                                                      \
    for (struct weir_link *link = (head)->next, *following = link->next; link != (head);           \
         link = following, following = link->next)

#endif
