"""The daily report for management, sent as a mail.

Data flow: `numbers` reads the KPI tables, `sections` selects and formats, `charts` draws; `mail`, `pdf` and
`csv_files` turn the same sections into documents, and `send_once` sends the mail.
"""
