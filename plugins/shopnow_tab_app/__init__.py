"""The ShopNow+ tab: what the lake, the topics and the DAGs say, as pages inside the Airflow UI.

`copies` and `lake` keep local copies of what the pages read from the lake, `tail` the newest events of the topics; a module a
page turns them into data, `app` serves it. The pages themselves are in `ui/`, and what is built of them in `static/`.
"""
