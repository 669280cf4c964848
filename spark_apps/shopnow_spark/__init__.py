"""What the Spark applications are made of: transformations are functions DataFrame -> DataFrame, reading and writing is in `jobs`."""
