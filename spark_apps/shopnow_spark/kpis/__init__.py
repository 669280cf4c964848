"""KPI transformations, DataFrame -> DataFrame, one per table; `shopnow.kpis` defines the columns."""
