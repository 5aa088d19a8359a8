-- no-transaction
CREATE UNIQUE INDEX CONCURRENTLY product_name ON products (name);
