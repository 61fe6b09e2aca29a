"""Checks a deployment from outside in: settings, identity, rights, ids, reach. Changes nothing."""
