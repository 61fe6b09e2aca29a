"""Where daily profiles come from and are kept: Delta, KQL, Spark, blobs, memory."""
