/*
 * fuzz_mail.c: lines of the input are an address, a name, a subject, a header's name and value, a
 * file's name and type; the rest is the text. What is taken makes a message that no server can take
 * for anything else.
 */
#include <stdint.h>
#include <stdlib.h>

#include "client/field.h"
#include "client/mime_mail.h"
#include "views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ASCII in lines that end with CRLF, none of them longer than SMTP allows. */
static void check_bytes(bk_str message)
{
    size_t line = 0;

    for (size_t i = 0; i < message.len; i++) {
        char c = message.ptr[i];
        bk_assert((c >= ' ' && c < 0x7f) || c == '\r' || c == '\n' || c == '\t');
        bk_assert((c == '\n') == (i > 0 && message.ptr[i - 1] == '\r'));
        line = c == '\n' ? 0 : line + 1;
        bk_assert(line <= 999);
    }
    bk_assert(line == 0);
}

/* Each line of the head is a field or goes on with one; the fields are those that were asked for.
 */
static void check_head(bk_str message, size_t fields)
{
    const char *end = memmem(message.ptr, message.len, "\r\n\r\n", 4);
    bk_assert(end != NULL);
    bk_str head = bk_str_at(message.ptr, (size_t)(end - message.ptr) + 1), line;

    while (bk_str_split(&head, '\n', &line)) {
        bk_str name;
        bk_assert(line.len > 1);
        if (line.ptr[0] == ' ')
            continue;
        bk_assert(bk_str_split(&line, ':', &name) && bk__field_is_name(name));
        bk_assert(fields-- > 0);
    }
    bk_assert(fields == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk_arena arena;
    bk_str input = bk_str_at((const char *)data, size);

    if (size > INPUT_MAX)
        return 0;
    bk__arena_init(&arena, arena_memory, sizeof(arena_memory));
    const bk_mail_address from = {BK_LIT("shop@example.com"), BK_LIT("Shop")};
    bk_mail_address to = {.email = take_line(&input)};
    to.name = take_line(&input);
    bk_str subject = take_line(&input);
    bk_mail_header headers[2] = {{.name = take_line(&input)}};
    headers[0].value = take_line(&input);
    bk_mail_file file = {.name = take_line(&input)};
    file.type = take_line(&input);
    file.content = input;
    bk_mail mail = {
        .from = from,
        .to = &to,
        .to_count = 1,
        .subject = subject,
        .headers = headers,
        .files = &file,
        .file_count = size % 2,
        .text = bk_str_present(input) ? input : BK_LIT(""),
        .html = size % 3 == 0 ? input : bk_str_at(NULL, 0),
    };

    if (bk__mail_check(&mail) == BK_OK) {
        const struct bk__mail_stamp stamp = {.at = 0, .unique = "0193"};
        bk_buf out = {.arena = &arena};
        bk__mail_write(&out, &mail, &stamp);
        check_bytes(bk_buf_str(&out));
        /* Date, Message-ID, From, To, Subject, MIME-Version, Content-Type */
        bool single = mail.file_count == 0 && !bk_str_present(mail.html);
        check_head(bk_buf_str(&out), 7 + single + bk_str_present(headers[0].name));
    }
    bk_error_clear();
    bk__arena_reset(&arena);
    return 0;
}
