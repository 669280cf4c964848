"""The ShopNow+ tab: pages in the Airflow UI about the lake, the topics and the DAGs.

`replica/` holds DuckDB copies of the lake's tables, and `sources/` reads Kafka and Airflow's database.
`pages/` builds the content of each page from them, `routes/` is the HTTP API, and `app` serves it with the
pages, whose TypeScript sources are in `ui/` and whose build output is in `static/`. Imports run in one
direction: app, routes, pages, then sources and replica.
"""
