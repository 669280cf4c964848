"""ShopNow+: synthetic shop traffic through Kafka, HDFS and Spark, orchestrated by Airflow."""
