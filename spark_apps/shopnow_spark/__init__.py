"""What the Spark applications are made of: `events` and `kpis` are functions DataFrame -> DataFrame, all else reads and writes."""
