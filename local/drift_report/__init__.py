"""Two files compared by the app's drift engine, and what is shown of it."""
