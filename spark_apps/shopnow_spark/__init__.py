"""Building blocks of the Spark applications.

`events` and `kpis` are functions DataFrame -> DataFrame; the other modules read and write.
"""
