"""Events into KPIs: a function DataFrame -> DataFrame for each table; what each figure means is written in `shopnow.kpis`.

A function takes frames of its sources, in the order of the definition, that hold at least what the rows asked for are made of. It
gives rows of all dates it finds; those at the edges, which lack a part of their sources, are left out by who asked.
"""
