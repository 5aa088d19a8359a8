-- Jobs on their way to the queue: see <backend/outbox.h>, bk_outbox_sql().
CREATE TABLE outbox (
  entry    text PRIMARY KEY,
  queue    text NOT NULL,
  name     text NOT NULL,
  data     text NOT NULL,
  opts     text NOT NULL,
  pairs    text NOT NULL,
  added_at timestamptz NOT NULL DEFAULT now()
);
