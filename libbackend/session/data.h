/*
 * data.h: what is in a session: the members of a JSON object, each as its text.
 *
 * Members are only told apart, not parsed, so those that another service wrote are written back as
 * they came, byte by byte, whatever they are. Nobody's business but the asker's is whether a value
 * is JSON that we take.
 */
#ifndef BK_SESSION_DATA_H
#define BK_SESSION_DATA_H

#include <backend/str.h>

struct bk__session_member {
    bk_str key; /* as it stands between the quotes */
    bk_str value;
};

struct bk__session_data {
    bk_arena *arena; /* where the list grows */
    struct bk__session_member *items;
    size_t count, cap;
};

/* Splits @p text, which is borrowed for as long as the data. False: it is no object. */
bool bk__session_data_read(struct bk__session_data *data, bk_str text);

/* The value of @p key; absent when there is none. */
bk_str bk__session_data_get(const struct bk__session_data *data, bk_str key);

/* Puts @p value in place of what @p key has, or at the end. Both are borrowed; @p key needs no
 * escape. */
void bk__session_data_set(struct bk__session_data *data, bk_str key, bk_str value);

void bk__session_data_unset(struct bk__session_data *data, bk_str key);

/* The object as text. */
void bk__session_data_print(const struct bk__session_data *data, bk_buf *buf);

#endif
