"""Starting, finding and cancelling training jobs: an adapter a service, and who chooses."""
