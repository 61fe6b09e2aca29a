"""``loop chaos``: the whole loop while everything around it fails, and its promises checked."""
