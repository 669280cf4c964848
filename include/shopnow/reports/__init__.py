"""The report of a day for management: figures read from the KPI tables, put in words, tables and charts, and sent as a mail.

Data walks one way: `figures` reads, `sections` chooses and words, `charts` draws; `mail`, `pdf` and `sheets` each make a document
of the same sections, and `sending` hands the mail over.
"""
