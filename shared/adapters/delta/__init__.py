"""Tables in the lakehouse: rows appended, windows and counts read."""
