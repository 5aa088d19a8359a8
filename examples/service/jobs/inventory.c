/* inventory.c: report.inventory, all products as CSV, with its progress told.
 */
#include "../products/products.h"
#include "../reports/reports.h"
#include "jobs.h"

#define ROWS_A_STEP 1000

struct sheet {
    struct shop *shop;
    bk_job *job;
    int64_t report_id, rows, total;
    bk_buf csv;
};

/* RFC 4180. */
static void add_text(bk_buf *csv, bk_str text)
{
    bk_buf_add_char(csv, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            bk_buf_add_char(csv, '"');
        bk_buf_add_char(csv, text.ptr[i]);
    }
    bk_buf_add(csv, BK_LIT("\","));
}

static bk_err tell_progress(struct sheet *sheet)
{
    int32_t percent = (int32_t)(sheet->rows * 100 / (sheet->total + 1));
    bk_str json = bk_arena_printf(bk_job_arena(sheet->job), "%d", percent);

    if (percent > 99)
        percent = 99; /* the rest is told with the file */
    BK_TRY(reports_note_progress(sheet->shop->db, sheet->report_id, percent));
    return bk_job_progress(sheet->job, json);
}

static void add_row(bk_buf *csv, const struct product *product)
{
    bk_buf_printf(csv, "%lld,", (long long)product->id);
    add_text(csv, product->sku);
    add_text(csv, product->name);
    bk_buf_printf(csv, "%lld,%d\r\n", (long long)product->price_cents, product->stock);
}

/* Page by page, so that no statement is long and no connection is held. */
static bk_err add_all(struct sheet *sheet)
{
    struct product_query query = {.limit = ROWS_A_STEP};
    struct product_page page;

    do {
        BK_TRY(products_list(sheet->shop->db, &query, &page));
        const struct product *items = page.items.items;
        for (size_t i = 0; i < page.items.count; i++)
            add_row(&sheet->csv, &items[i]);
        sheet->rows += (int64_t)page.items.count;
        query.cursor = page.next_cursor;
        BK_TRY(tell_progress(sheet));
    } while (page.has_next);
    return BK_OK;
}

static bk_err build(struct sheet *sheet)
{
    bk_pg *db = sheet->shop->db;

    sheet->csv = (bk_buf){.arena = bk_job_arena(sheet->job)};
    bk_buf_add(&sheet->csv, BK_LIT("id,sku,name,price_cents,stock\r\n"));
    BK_TRY(products_count(db, &sheet->total));
    BK_TRY(add_all(sheet));
    return reports_finish(db, sheet->report_id, bk_buf_str(&sheet->csv));
}

bk_err job_inventory(bk_job *job, void *data)
{
    struct sheet sheet = {.shop = data, .job = job};
    struct job_about about;

    BK_TRY(bk_job_bind(job, job_about_desc, &about));
    sheet.report_id = about.id;
    bk_err err = build(&sheet);
    bool last = bk_job_attempt(job) >= bk_job_attempts(job);
    if (err != BK_OK && err != BK_ECANCELED && last)
        (void)!reports_fail(sheet.shop->db, about.id); /* the job's own error is what counts */
    return err;
}
